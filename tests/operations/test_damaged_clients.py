"""Directories of other ACME clients that are damaged at random: what can't be read is refused, and nothing outside is read."""

import base64
import os
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from agent.errors import AgentError
from agent.operations.lineages.client_files import ClientFiles
from agent.operations.lineages.clients import CLIENTS
from agent.pki.account_key import load_account_key, make_account_key
from agent.pki.key import key_pem

SEEDS = range(int(os.environ.get("IMPORTS_DAMAGED", "60")))
CA, SITE = "https://ca.example/acme/directory", "a.example.test"
OUTSIDE = b"of somebody else"
NAMED = base64.urlsafe_b64encode(CA.encode()).decode().rstrip("=")
PLACES = {
    "acme.sh": f"ca/ca.example/acme/directory/account.key ca/ca.example/acme/directory/ca.conf {SITE}/{SITE}.conf "
    f"{SITE}/{SITE}.key {SITE}/fullchain.cer",
    "caddy": f"acme/ca.example-acme-directory/users/m/m.key acme/ca.example-acme-directory/users/m/m.json "
    f"certificates/ca.example-acme-directory/{SITE}/{SITE}.crt certificates/ca.example-acme-directory/{SITE}/{SITE}.key",
    "certbot": f"accounts/ca.example/acme/directory/1/private_key.json accounts/ca.example/acme/directory/1/regr.json "
    f"renewal/{SITE}.conf live/{SITE}/fullchain.pem live/{SITE}/privkey.pem",
    "dehydrated": f"config accounts/{NAMED}/account_key.pem accounts/{NAMED}/account_id.json certs/{SITE}/fullchain.pem "
    f"certs/{SITE}/privkey.pem",
    "lego": f"accounts/ca.example/m/account.json accounts/ca.example/m/keys/m.key certificates/{SITE}.crt "
    f"certificates/{SITE}.key certificates/{SITE}.json",
}
"""Files of each client."""
TEXTS = ("", "[]", "null", "\0", "CA=", "server = \n", '{"uri": 7}', '{"registration": []}', '{"kty":"RSA","n":[1]}')
KEY = key_pem(make_account_key())
Damage = Callable[[Path, random.Random], object]


def removed(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def removed_with(path: Path, _chance: random.Random) -> None:
    removed(path)


def linked(path: Path, chance: random.Random) -> None:
    removed(path)
    outside = next(each for each in path.parents if each.name == "client").parent / "outside"
    path.symlink_to(chance.choice([str(outside / "secret"), str(outside), "..", ".", path.name, "nowhere"]))


def cut(path: Path, chance: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: chance.randrange(len(data) + 1)] + chance.choice([b"", chance.randbytes(50)]))


def in_its_place(make: Callable[[Path], object]) -> Damage:
    def damage(path: Path, chance: random.Random) -> None:
        removed(path)
        make(path)

    return damage


DAMAGES: tuple[Damage, ...] = (
    removed_with,
    linked,
    cut,
    lambda path, chance: path.write_text(chance.choice(TEXTS)),
    in_its_place(Path.mkdir),
    in_its_place(os.mkfifo),
    in_its_place(Path.touch),
)


def read_all(name: str, files: ClientFiles) -> list[bytes]:
    """Read as an import does; return the contents of what can be."""
    paths = [path for each in CLIENTS[name].lineages(files) for path in (each.certificates, each.key)]
    accounts = [each.key for each in CLIENTS[name].accounts(files)]
    for path in accounts:
        with suppress(AgentError):
            load_account_key(files.read(path))
    found = []
    for path in (*paths, *accounts):
        with suppress(AgentError):
            found.append(files.read(path))
    return found


def test_damage_of_any_kind_is_refused_and_nothing_outside_is_read(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    for each in ("secret", "fullchain.pem", "privkey.pem", "account_key.pem", f"{SITE}.key"):
        (outside / each).write_bytes(OUTSIDE)
    for seed in SEEDS:
        chance = random.Random(seed)
        name = chance.choice(sorted(PLACES))
        directory = tmp_path / "client"
        for place in PLACES[name].split():
            path = directory / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(KEY if "key" in path.name else f"CA={CA}\nserver = {CA}\nLe_API='{CA}'\n".encode())
        whole = read_all(name, ClientFiles(directory))
        assert len(whole) == 3, name
        for _ in range(chance.randint(1, 4)):
            left = sorted(each for each in directory.rglob("*") if not each.is_fifo())
            path, damage = chance.choice(left), chance.choice((linked, *DAMAGES))
            if path.is_file() or damage in {removed_with, linked}:
                damage(path, chance)
            if not any(directory.iterdir()):
                break
        assert OUTSIDE not in read_all(name, ClientFiles(directory)), seed
        shutil.rmtree(directory, ignore_errors=True)

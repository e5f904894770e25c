"""Other ACME clients, as Debian has them but for acme.sh: each gets chains of a CA into a directory of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from support.cas.pebble import Pebble
from support.ports import free_port
from support.waiting import until

MAIL = "admin@example.com"


def certbot(ca: Pebble, directory: Path, *names: str) -> None:
    """Get one chain for several names by certbot."""
    places = [
        f"--{kind}-dir={directory / place}" for kind, place in (("config", "."), ("work", "work"), ("logs", "logs"))
    ]
    argv = [
        "certbot",
        "certonly",
        "--standalone",
        "-n",
        "--agree-tos",
        "-m",
        MAIL,
        *places,
        "--server",
        ca.directory_url,
    ]
    argv += [f"--http-01-port={free_port()}", *(f"-d{name}" for name in names)]
    _run(argv, REQUESTS_CA_BUNDLE=ca.trust_file)


def lego(ca: Pebble, directory: Path, *names: str) -> None:
    """Get one chain for several names by lego."""
    argv = ["lego", "--server", ca.directory_url, "--accept-tos", "--email", MAIL, "--path", str(directory)]
    argv += ["--http", "--http.port", f":{free_port()}", *(f"--domains={name}" for name in names), "run"]
    _run(argv, LEGO_CA_CERTIFICATES=ca.trust_file)


def dehydrated(ca: Pebble, directory: Path, *names: str) -> None:
    """Get one chain for several names by dehydrated."""
    (directory / "well-known").mkdir(parents=True, exist_ok=True)
    (directory / "config").write_text(
        f'CA="{ca.directory_url}"\nBASEDIR={directory}\nWELLKNOWN={directory}/well-known\nACCOUNT_KEYSIZE=2048\n'
    )
    (directory / "domains.txt").write_text(" ".join(names) + "\n")
    for action in (["--register", "--accept-terms"], ["--cron"]):
        _run(["dehydrated", "--config", str(directory / "config"), *action], CURL_CA_BUNDLE=ca.trust_file)


def caddy(ca: Pebble, directory: Path, *names: str) -> None:
    """Get a chain for the first name by Caddy: for several it makes as many accounts at its first start, and keeps one."""
    ports = f"http_port {free_port()}\nhttps_port {free_port()}\n"
    trust = f"acme_ca {ca.directory_url}\nacme_ca_root {ca.trust_file}\nskip_install_trust\n"
    site = f'{names[0]} {{\nrespond "."\n}}\n'
    file = directory / "Caddyfile"
    file.write_text(f"{{\nadmin off\nstorage file_system {directory}\nemail {MAIL}\n{ports}{trust}}}\n{site}")
    argv = ["caddy", "run", "--config", str(file), "--adapter", "caddyfile"]
    home = {**os.environ, "HOME": str(directory), "XDG_CONFIG_HOME": str(directory)}
    with (directory / "log").open("wb") as log, subprocess.Popen(argv, env=home, stderr=log) as running:
        try:
            until(lambda: [*directory.glob("certificates/*/*/*.json")], what=log.name)
        finally:
            running.terminate()


def acme_sh(ca: Pebble, directory: Path, *names: str) -> None:
    """Put what lego gets into the files of acme.sh 3.1.4, which no package has: as it was seen to write them."""
    other = directory / "lego"
    lego(ca, other, *names)
    (account,) = other.glob("accounts/*/*/account.json")
    place, lineage = directory / "ca/127.0.0.1/dir", directory / f"{names[0]}_ecc"
    place.mkdir(parents=True)
    lineage.mkdir()
    (key,) = account.parent.glob("keys/*")
    key.rename(place / "account.key")
    url = json.loads(account.read_text())["registration"]["uri"]
    (place / "ca.conf").write_text(f"CA_EMAIL='{MAIL}'\nACCOUNT_URL='{url}'\nCA_KEY_HASH='x'\n")
    (other / f"certificates/{names[0]}.crt").rename(lineage / "fullchain.cer")
    (other / f"certificates/{names[0]}.key").rename(lineage / f"{names[0]}.key")
    text = (
        f"Le_Domain='{names[0]}'\nLe_Alt='{','.join(names[1:])}'\nLe_API='{ca.directory_url}'\nLe_Keylength='ec-256'\n"
    )
    (lineage / f"{names[0]}.conf").write_text(text)
    shutil.rmtree(other)


GETTING: dict[str, Callable[..., None]] = {
    "acme.sh": acme_sh,
    "caddy": caddy,
    "certbot": certbot,
    "dehydrated": dehydrated,
    "lego": lego,
}


def _run(argv: list[str], **environment: Path) -> None:
    surroundings = {**os.environ, **{name: str(value) for name, value in environment.items()}}
    ended = subprocess.run(argv, capture_output=True, text=True, env=surroundings, timeout=100, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr

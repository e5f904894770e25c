"""What other ACME clients have, as their directories say: what is taken over, what is not, and why."""

import base64
import errno
import json
import os
import shlex
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from agent.engine.kept_keys import KeyKeeper
from agent.engine.write_queue import DirectWriter
from agent.errors.account import AccountRefused
from agent.errors.acme import CaUnreached
from agent.errors.chain import KeyUnreadable, KeyUnsupported
from agent.errors.importing import TooManyEntries
from agent.errors.operations import NoLineages
from agent.errors.usage import InputUnreadable
from agent.model.kept_key import KeyRole
from agent.model.need import Request
from agent.operations.importing import import_from
from agent.operations.lineages.authority import is_directory, is_staging
from agent.operations.lineages.client_files import MOST, ClientFiles
from agent.operations.lineages.clients import CLIENTS
from agent.operations.locked_state import locked_state
from agent.operations.renewing_elsewhere import commands
from agent.pki.account_key import load_account_key, make_account_key, thumbprint
from agent.pki.authority import Root
from agent.pki.chain import Chain, KeyType, Purpose
from agent.pki.encoding import Part, encode
from agent.pki.key import generate_key, key_pem, load_key, spki_sha256
from agent.sources.acme.messages import Account
from agent.sources.acme.takeover import account_memory
from support.appliances.carried import command
from support.appliances.deployed import Deployed
from support.cas import certificates
from support.ports import free_port

SITES = ("a.example.test", "b.example.test")
DIRECTORY = "https://ca.example.test/acme/directory"
STAGING = "https://acme-staging-v02.api.letsencrypt.org/directory"
URL = "https://ca.example.test/acme/acct/7"


@pytest.fixture
def gateway(appliance):
    """An appliance with two sites, and a CA that nobody asks."""
    appliance.drop_in("shared")
    names = ", ".join(f'"{name}"' for name in SITES)
    appliance.settings(
        f'hostname = "gw"\nplugins.shared.enabled = true\nsources = ["uploaded", "acme", "local"]\n'
        f'[acme]\ndirectory = "{DIRECTORY}"\nnames = "any"\n'
        f"[services.toyd]\nport = {free_port()}\n[modules.front]\nport = {free_port()}\nsites = [{names}]\n"
    )
    appliance.layout.trust.mkdir()
    return appliance


@pytest.fixture
def root(gateway):
    now = gateway.clock() - timedelta(days=30)
    made = Root.create("Shop CA", "", now, now)
    (gateway.layout.trust / "ca.pem").write_bytes(made.certificate.public_bytes(Encoding.PEM))
    return made


def chain(appliance: Deployed, root: Root, *names: str, age: int = 1, key_type: KeyType = KeyType.ECDSA_P256) -> Chain:
    """A chain that was issued so many days ago."""
    return root.issue(names, key_type, Purpose.SERVER, appliance.clock() - timedelta(days=age), timedelta(days=90))


def lineage(directory: Path, name: str, made: Chain, server: str = DIRECTORY) -> Path:
    """Write a lineage as certbot does; return its directory in ``live``."""
    archive, live = directory / "archive" / name, directory / "live" / name
    (directory / "renewal").mkdir(exist_ok=True, parents=True)
    for each in (archive, live):
        each.mkdir(parents=True)
    (archive / "fullchain1.pem").write_bytes(encode(made, [Part.FULLCHAIN]))
    (archive / "privkey1.pem").write_bytes(encode(made, [Part.KEY]))
    for each in ("fullchain", "privkey"):
        (live / f"{each}.pem").symlink_to(f"../../archive/{name}/{each}1.pem")
    text = f"[renewalparams]\naccount = first\nserver = {server}\n" if server else "[renewalparams]\n"
    (directory / "renewal" / f"{name}.conf").write_text(text)
    return live


def account(directory: Path, key=None, *, server: str = DIRECTORY, name: str = "first"):
    """Write an account as certbot does, with its key as PEM; return the key."""
    key = key or make_account_key()
    place = directory / "accounts" / server.removeprefix("https://") / name
    place.mkdir(parents=True)
    (place / "private_key.json").write_bytes(key_pem(key))
    (place / "regr.json").write_text(json.dumps({"body": {}, "uri": f"{server}/{name}"}))
    return key


def known(source, key):
    """Answer as a CA that knows the account of each key."""
    return Account(source.origin, URL, thumbprint(key))


def imported(appliance: Deployed, directory: Path, look_up=known, *, client: str = "certbot", dry_run: bool = False):
    made = import_from(appliance.engine(), CLIENTS[client], directory, dry_run=dry_run, look_up=look_up)
    return {each.name: each for each in made.lineages}, list(made.accounts)


def stored(appliance: Deployed) -> list[tuple[str, str, str | None]]:
    with appliance.store() as store:
        return [(each.id, each.source, each.request) for each in store.chains.records()]


def present(appliance: Deployed) -> str | None:
    with appliance.store() as store:
        found = store.account_keys.present()
    return found.thumbprint if found else None


# Chains


def test_a_chain_of_the_ca_that_is_asked_here_is_renewed_as_its_own(gateway, root, tmp_path):
    made = chain(gateway, root, SITES[0])
    lineage(tmp_path, "a", made)
    looked, _ = imported(gateway, tmp_path, dry_run=True)
    assert stored(gateway) == []
    rows, _ = imported(gateway, tmp_path)
    assert rows == looked
    assert (rows["a"].source, rows["a"].kept_as, rows["a"].problem) == ("acme", "", None)
    assert [(each.slot, each.reason) for each in rows["a"].switches] == [(SITES[0], "acme")]
    ((chain_id, source, request),) = stored(gateway)
    assert (chain_id, source, request is not None) == (made.id, "acme", True)
    again, _ = imported(gateway, tmp_path)
    assert again["a"].known
    assert stored(gateway) == [(chain_id, source, request)]


@pytest.mark.parametrize(
    ("names", "server", "reason"),
    [
        (SITES, DIRECTORY, "front/a.example.test, front/b.example.test have chains of their own"),
        (SITES[:1], "", "its CA is not known"),
        (SITES[:1], "https://other.example/dir", "no source here asks https://other.example/dir"),
        (("unused.example.test",), DIRECTORY, ""),
    ],
)
def test_what_no_source_goes_on_with_is_kept_as_an_upload(gateway, root, tmp_path, names, server, reason):
    made = chain(gateway, root, *names)
    lineage(tmp_path, "a", made, server)
    rows, _ = imported(gateway, tmp_path)
    assert (rows["a"].source, rows["a"].kept_as, rows["a"].problem) == ("", reason, None)
    assert stored(gateway) == [(made.id, "uploaded", None)]


def test_what_the_source_would_not_order_is_an_upload_too(gateway, root, tmp_path):
    gateway.settings(gateway.layout.settings.read_text().replace('names = "any"\n', ""))
    lineage(tmp_path, "a", chain(gateway, root, SITES[0]))
    rows, _ = imported(gateway, tmp_path, dry_run=True)
    assert rows["a"].kept_as == f"acme can't renew it: {SITES[0]} is no public name"


def test_a_chain_that_is_renewed_brings_the_key_that_is_kept_from_then_on(gateway, root, tmp_path):
    made = chain(gateway, root, SITES[0])
    request = Request(names=frozenset(SITES[:1]), key_type=KeyType.ECDSA_P256)
    with gateway.store() as store, store.write():
        store.kept_keys.add(request.id, generate_key(KeyType.ECDSA_P256), KeyRole.PRESENT, gateway.clock())
    lineage(tmp_path, "a", made)
    imported(gateway, tmp_path)
    with gateway.store() as store:
        KeyKeeper(DirectWriter(store), gateway.clock).prepare(request)
        keys = {each.role: each.spki for each in store.kept_keys.of(request.id)}
    assert set(keys) == {KeyRole.PRESENT, KeyRole.NEXT}
    assert keys[KeyRole.PRESENT] == spki_sha256(made.key.public_key())


def test_a_key_of_any_type_that_a_module_takes_goes_on_until_the_renewal(gateway, root, tmp_path):
    lineage(tmp_path, "a", chain(gateway, root, SITES[0], key_type=KeyType.RSA_2048))
    rows, _ = imported(gateway, tmp_path, dry_run=True)
    assert rows["a"].source == "acme"


def test_a_chain_of_a_ca_for_tests_is_not_taken(gateway, root, tmp_path):
    lineage(tmp_path, "a", chain(gateway, root, SITES[0]), STAGING)
    rows, _ = imported(gateway, tmp_path)
    assert rows["a"].problem.cause == f"It is of {STAGING}, a CA for tests, whose certificates no client trusts."
    assert stored(gateway) == []


@pytest.mark.parametrize("names", [("a", "a-0001"), ("a-0001", "a")])
def test_of_two_chains_the_newer_one_serves_whichever_is_read_first(gateway, root, tmp_path, names):
    older, newer = chain(gateway, root, SITES[0], age=20), chain(gateway, root, SITES[0], age=2)
    for name, made in zip(names, (newer, older), strict=True):
        lineage(tmp_path, name, made)
    rows, _ = imported(gateway, tmp_path)
    assert list(rows) == ["a", "a-0001"]
    assert rows[names[0]].source == "acme"
    assert rows[names[1]].problem.cause.startswith(
        f"acme has a newer chain for what it serves: {newer.id[:12]}, until "
    )
    assert [row[0] for row in stored(gateway)] == [newer.id]


@pytest.mark.parametrize("age", [1, 20])
def test_what_is_said_of_a_chain_stays_true_where_an_upload_comes_with_it(gateway, root, tmp_path, age):
    exact, wildcard = chain(gateway, root, SITES[0], age=10), chain(gateway, root, "*.example.test", age=age)
    lineage(tmp_path, "a", exact)
    lineage(tmp_path, "b", wildcard)
    rows, _ = imported(gateway, tmp_path)
    assert rows["a"].kept_as == "it would come after another upload"
    with locked_state(gateway.engine(), 1) as state:
        bound = {each.slot: (each.chain, str(each.reason)) for each in state.bindings()}
    said = {each.slot: (each.after, each.reason) for row in (rows["b"], rows["a"]) for each in row.switches}
    assert said == {slot: bound[slot] for slot in SITES}


def test_intermediates_that_lego_was_told_to_keep_alone_are_read_with_the_leaf(gateway, tmp_path):
    top = certificates.root(now=gateway.clock())
    between = top.authority("Toy Intermediate", now=gateway.clock())
    leaf = between.leaf(SITES[0], now=gateway.clock())
    (gateway.layout.trust / "toy.pem").write_bytes(certificates.pem(top.certificate))
    place = tmp_path / "certificates"
    place.mkdir()
    for name, data in {
        "crt": certificates.pem(leaf.certificate),
        "issuer.crt": certificates.pem(between.certificate),
        "key": certificates.key_pem(leaf.key),
    }.items():
        (place / f"{SITES[0]}.{name}").write_bytes(data)
    rows, _ = imported(gateway, tmp_path, client="lego", dry_run=True)
    assert rows[SITES[0]].problem is None


def encrypt(place: Path) -> None:
    key, protection = load_key((place / "privkey.pem").read_bytes()), BestAvailableEncryption(b"secret")
    (place / "privkey.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection))


def test_what_is_damaged_costs_itself_alone(gateway, root, tmp_path):
    whole = lineage(tmp_path, "whole", chain(gateway, root, SITES[0]))
    outside = tmp_path.with_name("outside.pem")
    outside.write_bytes((whole / "privkey.pem").read_bytes())
    for name, damage in {
        "dangling": lambda place: (tmp_path / "archive" / place.name / "privkey1.pem").unlink(),
        "encrypted": encrypt,
        "gone": lambda place: (place / "privkey.pem").unlink(),
        "open": lambda place: (place / "privkey.pem").resolve().chmod(0o666),
        "fifo": lambda place: ((place / "privkey.pem").unlink(), os.mkfifo(place / "privkey.pem")),
        "large": lambda place: (place / "fullchain.pem").write_bytes(b"x" * 300_000),
        "leads out": lambda place: ((place / "privkey.pem").unlink(), (place / "privkey.pem").symlink_to(outside)),
        "no pem": lambda place: (place / "fullchain.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\n"),
    }.items():
        damage(lineage(tmp_path, name, chain(gateway, root, SITES[1])))
    rows, _ = imported(gateway, tmp_path)
    problems = {name: each.problem.cause if each.problem else "" for name, each in rows.items()}
    assert problems.pop("no pem") != ""
    archive = tmp_path / "archive"
    key = shlex.quote(f"{archive}/encrypted/privkey1.pem")
    assert rows["encrypted"].problem.fix == (
        f"Decrypt it, and import once more: openssl pkey -in {key} -out {key}.plain && mv {key}.plain {key}"
    )
    assert rows["open"].problem.fix == f"Correct that, and import once more: chmod go-w {archive}/open/privkey1.pem"
    outside.unlink()
    assert problems == {
        "dangling": f"It is a symbolic link to {tmp_path}/archive/dangling/privkey1.pem, and there is no such file.",
        "encrypted": "The private key is protected by a passphrase.",
        "fifo": "The file can't be read: it is not a regular file.",
        "gone": "The file can't be read: no such file or directory.",
        "large": "The file can't be read: it is larger than 262144 bytes.",
        "open": "The file isn't read: every user can write to it (mode 0666).",
        "leads out": f"It is a symbolic link that leads out of {tmp_path}.",
        "whole": "",
    }


def test_the_command_says_all_and_ends_with_3_where_a_chain_is_not_taken(gateway, root, tmp_path):
    made = chain(gateway, root, "unused.example.test")
    lineage(tmp_path, "a", made)
    (lineage(tmp_path, "b", made) / "privkey.pem").unlink()
    account(tmp_path, server=STAGING)
    ended = command(gateway.root, "import", "certbot", tmp_path, "--dry-run")
    assert ended.returncode == 3
    assert ended.stderr.splitlines() == [
        f"a: {made.id[:12]}, unused.example.test, until {made.usable_until:%Y-%m-%d}; kept as an upload",
        "    No module uses it now.",
        f"b: not taken: {tmp_path}/live/b/privkey.pem: The file can't be read: no such file or directory.",
        "Check its name and its mode.",
        (
            f"account at {STAGING.removeprefix('https://')}: {STAGING}/first: not taken: "
            f"It is at {STAGING.removeprefix('https://')}, a CA for tests, which no source here asks."
        ),
        "Nothing has to be done.",
        (
            "Nothing was found here that renews for certbot. Where it is installed as usual, this ends it: "
            "systemctl disable --now certbot.timer"
        ),
        "2 lineages and 1 account of certbot. Nothing was changed.",
    ]


@pytest.mark.root
def test_files_of_one_other_user_are_taken_and_of_two_are_not(gateway, root, tmp_path):
    for name, site in zip(("one", "two"), SITES, strict=True):
        for each in lineage(tmp_path, name, chain(gateway, root, site)).iterdir():
            os.chown(each.resolve(), 33, 33)
    os.chown(tmp_path / "archive/two", 34, 34)
    rows, _ = imported(gateway, tmp_path, dry_run=True)
    assert rows["one"].problem is None
    assert "belongs to the user 33, not to root" in rows["two"].problem.cause


def test_a_directory_within_that_of_a_client_or_of_another_one_is_told_with_the_command_that_is_right(
    gateway, root, tmp_path
):
    account(tmp_path)
    lineage(tmp_path, "a", chain(gateway, root, SITES[0]))
    right = f"Name the directory in which certbot keeps its files: chainwright import certbot {tmp_path}"
    for client, place in {"certbot": "archive", "lego": "", "dehydrated": "", "acme.sh": "live/a", "caddy": ""}.items():
        with pytest.raises(NoLineages) as raised:
            imported(gateway, tmp_path / place, client=client)
        assert raised.value.problem.fix == right


def test_a_directory_that_can_not_be_listed_is_told(gateway, tmp_path):
    def denied(_files):
        raise PermissionError(errno.EACCES, "Permission denied", "/etc/letsencrypt/live")

    client = replace(CLIENTS["certbot"], lineages=denied)
    with pytest.raises(InputUnreadable, match="/etc/letsencrypt/live: The file can't be read: permission denied"):
        import_from(gateway.engine(), client, tmp_path, dry_run=True)


def test_a_directory_of_something_else(gateway, tmp_path):
    with pytest.raises(NoLineages) as raised:
        imported(gateway, tmp_path)
    assert raised.value.problem.fix == (
        "Name the directory in which it keeps its files, usually: chainwright import certbot /etc/letsencrypt"
    )
    (tmp_path / "live").mkdir()
    for number in range(MOST + 1):
        (tmp_path / "live" / str(number)).touch()
    with pytest.raises(TooManyEntries):
        imported(gateway, tmp_path)


# Accounts


def test_the_account_of_the_ca_that_is_asked_is_taken_over_and_others_are_told(gateway, tmp_path):
    account(tmp_path, server=STAGING)
    account(tmp_path, server="https://other.example/dir")
    account(tmp_path, name="second")
    key = account(tmp_path)
    _, looked = imported(gateway, tmp_path, dry_run=True)
    assert present(gateway) is None
    _, rows = imported(gateway, tmp_path)
    assert rows == looked
    assert {each.url: each.problem.cause for each in rows if each.problem} == {
        f"{STAGING}/first": f"It is at {STAGING.removeprefix('https://')}, a CA for tests, which no source here asks.",
        "https://other.example/dir/first": "It is at other.example/dir, which no source here asks.",
        f"{DIRECTORY}/second": f"Another account of this client is the one that is taken over: {URL}.",
    }
    assert [(each.url, each.ca) for each in rows if each.taken] == [(URL, "ca.example.test")]
    assert present(gateway) == thumbprint(key)
    with gateway.store() as store:
        assert store.memories.read("acme", f"account {DIRECTORY}")["url"] == URL
    _, again = imported(gateway, tmp_path)
    assert [each.url for each in again if each.known] == [URL]
    assert not any(each.taken for each in again)
    assert present(gateway) == thumbprint(key)


def test_the_account_that_lineages_are_renewed_by_goes_first(gateway, root, tmp_path):
    account(tmp_path, name="before")
    key = account(tmp_path)
    lineage(tmp_path, "a", chain(gateway, root, SITES[0]))
    imported(gateway, tmp_path)
    assert present(gateway) == thumbprint(key)


def test_the_key_of_an_account_that_is_damaged_is_told_without_the_advice_for_chains(gateway, tmp_path):
    account(tmp_path)
    next(tmp_path.rglob("private_key.json")).write_text("{}")
    _, (row,) = imported(gateway, tmp_path)
    assert row.problem.cause.startswith("Its key can't be used: ")
    assert row.problem.fix == "Nothing has to be done: the first order makes an account."


def test_an_account_that_exists_is_not_overwritten(gateway, tmp_path):
    own = make_account_key()
    with gateway.store() as store, store.write():
        store.account_keys.add(own, gateway.clock())
        found = Account(DIRECTORY, f"{URL}0", thumbprint(own))
        store.memories.write("acme", *account_memory(found))
    account(tmp_path)
    _, (row,) = imported(gateway, tmp_path)
    assert row.problem.cause == (
        f"This appliance has an account of its own at ca.example.test: {URL}0. It is not overwritten."
    )
    assert present(gateway) == thumbprint(own)


SECOND_CA = """
from agent.sources.acme.source import AcmeSource
from chainwright import hookimpl

class Second(AcmeSource):
    name = "second"

@hookimpl
def register_sources():
    return [Second]
"""


@pytest.mark.parametrize("same", [True, False])
def test_one_key_is_for_all_cas_that_are_asked(gateway, tmp_path, same):
    other = "https://second.example.test/directory"
    (gateway.layout.plugins / "second.py").write_text(SECOND_CA)
    text = gateway.layout.settings.read_text().replace('"acme", "local"', '"acme", "second", "local"')
    text = text.replace('["shared"]', '["shared", "second"]')
    gateway.settings(f'{text}[source.second]\ndirectory = "{other}"\n')
    own = make_account_key()
    with gateway.store() as store, store.write():
        store.account_keys.add(own, gateway.clock())
        store.memories.write("acme", *account_memory(Account(DIRECTORY, f"{URL}0", thumbprint(own))))
    account(tmp_path, own if same else None, server=other)
    _, (row,) = imported(gateway, tmp_path)
    assert row.taken is same
    assert (row.problem is None) is same
    assert present(gateway) == thumbprint(own)


def not_known(source, key):
    return None


def over(source, key):
    raise AccountRefused("ca.example.test", "", "the account is deactivated", None)


@pytest.mark.parametrize(
    ("look_up", "cause"),
    [
        (not_known, "ca.example.test knows no account by this key."),
        (over, "ca.example.test does not accept this account: the account is deactivated."),
    ],
)
def test_an_account_that_its_ca_does_not_accept_stays_there(gateway, tmp_path, look_up, cause):
    account(tmp_path)
    _, (row,) = imported(gateway, tmp_path, look_up)
    assert (row.taken, row.problem.cause, present(gateway)) == (False, cause, None)


def test_where_the_ca_can_not_be_asked_the_key_is_taken_and_it_is_asked_again(gateway, tmp_path):
    def unreached(source, key):
        raise CaUnreached("ca.example.test", "ca.example.test", "connection refused", gateway.clock())

    key = account(tmp_path)
    _, (row,) = imported(gateway, tmp_path, unreached)
    assert row.taken
    assert row.problem.cause.startswith("ca.example.test could not be asked about this account: ")
    assert present(gateway) == thumbprint(key)
    with gateway.store() as store:
        assert store.memories.read("acme", f"account {DIRECTORY}")["status"] == "unconfirmed"
    _, (row,) = imported(gateway, tmp_path)
    assert (row.taken, row.problem) == (True, None)


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP384R1()),
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
    ],
    ids=["p256", "p384", "rsa"],
)
def test_an_account_key_is_read_from_a_jwk_and_from_pem(key):
    from josepy.json_util import encode_b64jose
    from josepy.jwk import JWKEC, JWKRSA

    known_as = (JWKRSA if isinstance(key, rsa.RSAPrivateKey) else JWKEC)(key=key)
    of_pem, of_jwk = load_account_key(key_pem(key)), load_account_key(known_as.json_dumps().encode())
    assert key_pem(of_pem) == key_pem(of_jwk) == key_pem(key)
    assert thumbprint(key) == encode_b64jose(known_as.thumbprint())


def test_a_damaged_account_key_is_refused_without_a_word_of_it():
    good = {"kty": "RSA", "n": "AQAB", "e": "AQAB", **dict.fromkeys(("d", "p", "q", "dp", "dq", "qi"), "c2VjcmV0")}
    for data in (b"{", json.dumps(good).encode(), b'{"kty": "EC", "crv": "P-256"}', b"[" * 100_000, b'{"kty": 7}'):
        with pytest.raises(KeyUnreadable) as raised:
            load_account_key(data)
        assert raised.value.__cause__ is None
        assert "c2VjcmV0" not in str(raised.value)
    pem = ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(KeyUnsupported):
        load_account_key(pem)


# What the clients write down


@pytest.mark.parametrize(
    ("written", "same"),
    [
        (DIRECTORY, True),
        ("ca.example.test/acme/directory", True),
        ("ca.example.test-acme-directory", True),
        ("ca.example.test", True),
        ("ca.example.test/acme/other", False),
        ("ca.example", False),
        ("acme-staging-v02.api.letsencrypt.org", False),
        ("", False),
    ],
)
def test_a_ca_is_known_by_what_clients_call_it(written, same):
    assert is_directory(written, DIRECTORY) is same


def test_a_ca_on_a_port_is_known_too():
    for written in ("127.0.0.1:14000/dir", "127.0.0.1-14000-dir", "127.0.0.1_14000", "127.0.0.1/dir"):
        assert is_directory(written, "https://127.0.0.1:14000/dir")


def test_cas_for_tests_are_told_by_their_hosts():
    for_tests = ("https://api.test4.buypass.no/acme/directory", "dv.acme-v02.test-api.pki.goog/directory", STAGING)
    assert all(is_staging(each) for each in for_tests)
    real = ("https://acme-v02.api.letsencrypt.org/directory", "contest.example/test", "acme.zerossl.com/v2/DV90")
    assert not any(is_staging(each) for each in real)


@pytest.mark.parametrize(
    ("config", "ca"),
    [
        ('CA="letsencrypt-test"', STAGING),
        ("CA=https://a.example/d # mine", "https://a.example/d"),
        ("CA=$OTHER", DIRECTORY),
    ],
)
def test_dehydrated_says_in_its_settings_which_ca_it_asks_or_has_one_account(tmp_path, config, ca):
    (tmp_path / "certs/a").mkdir(parents=True)
    (tmp_path / "config").write_text(f"# CA=x\n{config}\n")
    for newline in ("\n", ""):
        name = base64.urlsafe_b64encode(f"{DIRECTORY}{newline}".encode()).decode().rstrip("=")
        (tmp_path / "accounts" / name).mkdir(parents=True)
        (tmp_path / "accounts" / name / "account_key.pem").touch()
    (found,) = CLIENTS["dehydrated"].lineages(ClientFiles(tmp_path))
    assert found.ca == ca


# What the other client goes on doing


def test_what_goes_on_renewing_elsewhere_is_found_with_the_command_that_ends_it(gateway):
    def write(path: str, text: str, mode: int = 0o644) -> str:
        place = gateway.layout.rooted(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(mode)
        return str(place)

    lego = CLIENTS["lego"]
    assert commands(gateway.layout, lego) == []
    write("/etc/systemd/system/timers.target.wants/lego.timer", "")
    write("/etc/systemd/system/timers.target.wants/legolas.timer", "")
    table = write("/etc/cron.d/certificates", "# lego\n5 4 * * * root /usr/bin/lego renew\n")
    write("/etc/cron.d/other", "# lego\n5 4 * * * root /opt/legolas\n")
    daily = write("/etc/cron.daily/renew", "#!/bin/sh\nlego renew\n", 0o755)
    write("/etc/cron.daily/off", "#!/bin/sh\nlego renew\n")
    write("/var/spool/cron/crontabs/web", "1 1 * * * lego renew\n")
    assert commands(gateway.layout, lego) == [
        "systemctl disable --now lego.timer",
        f"sed -i '/lego/s/^/#/' {table}",
        "crontab -u web -l | sed '/lego/s/^/#/' | crontab -u web -",
        f"chmod -x {daily}",
    ]

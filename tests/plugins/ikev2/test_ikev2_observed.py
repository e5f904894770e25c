"""What the plugin's look at charon makes of what charon lists."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from plugins.ikev2.client_authorities import not_named
from plugins.ikev2.configuration import Configuration
from plugins.ikev2.loaded import Loaded, Running
from plugins.ikev2.observe import main
from plugins.ikev2.peers_seen import authenticated_by, without_new_files
from support.cas import certificates as toy_ca


class Listing:
    """A charon that has these certificates."""

    def __init__(self, *certificates: bytes) -> None:
        self.certificates = certificates

    def list_certs(self, _query: object) -> list[dict[str, Any]]:
        return [{"data": each} for each in self.certificates]


def eap_tls(*believed: bytes, own: tuple[bytes, ...] = ()) -> Configuration:
    connection: Any = {"pools": ["a"], "remote": {"auth": "eap-tls", "cacerts": list(believed)}}
    return Configuration(
        connections={"laptops": connection}, authorities={f"x509ca/issuer.{n}.pem": each for n, each in enumerate(own)}
    )


def der(party: toy_ca.Party) -> bytes:
    return party.certificate.public_bytes(Encoding.DER)


EC, RSA = der(toy_ca.root("EC CA")), der(toy_ca.root("RSA CA", key=toy_ca.rsa_key()))


@pytest.mark.parametrize(
    ("loaded", "configuration", "told"),
    [
        ((EC,), eap_tls(EC), True),
        ((EC, RSA), eap_tls(EC), True),
        ((EC, RSA), eap_tls(EC, RSA), False),
        ((RSA,), eap_tls(RSA), False),
        ((EC,), eap_tls(EC, own=(EC,)), False),  # the agent tells of its own roots
        ((EC,), Configuration(connections={"road": {"remote": {"auth": "eap-mschapv2"}}}), False),
    ],
    ids=["other", "rsa beside", "both", "rsa", "own", "passwords"],
)
def test_clients_of_eap_tls_are_told_of_cas_with_rsa_keys_alone(loaded, configuration, told):
    assert bool([*not_named(Listing(*loaded), configuration)]) is told


OLD, NEW = toy_ca.root("Own Root"), toy_ca.root("Own Root")
NORTH = "north.example.test"


def site(*, replaced: bool = True) -> Configuration:
    """Return what is deployed after another root has begun to sign, or before."""
    remote = {"id": NORTH, "cacerts": [der(NEW), der(OLD)]}
    other = "issuer.before-0123.0.pem" if replaced else "issuer.0123.0.pem"
    files = {"x509ca/issuer.0.pem": der(NEW), f"x509ca/{other}": der(OLD)}
    return Configuration(connections={"north": {"remote": remote}}, authorities=files)  # type: ignore[dict-item]


def told(*leaves: toy_ca.Party, before: dict[str, str] | None = None, replaced: bool = True) -> list[str]:
    configuration = site(replaced=replaced)
    seen = {**(before or {}), **authenticated_by(Listing(*map(der, leaves)), configuration)}
    return [json.loads(line)["why"].split()[1] for line in without_new_files(configuration, seen)]


def test_a_site_needs_new_files_until_it_was_seen_with_them():
    old, new = OLD.leaf(NORTH), NEW.leaf(NORTH)
    assert told() == ["has"], "has not authenticated since"
    assert told(old) == ["still"]
    assert told(OLD.leaf("south.example.test")) == ["has"]
    assert told(old, NEW.leaf(NORTH, now=toy_ca.NOW + toy_ca.DAY)) == []
    assert told(new) == []
    assert told(before={"north": sha256(der(NEW)).hexdigest()}) == [], "charon has forgotten it, and we have not"
    assert told(before={"north": sha256(der(OLD)).hexdigest()}) == ["still"]
    assert told(old, replaced=False) == [], "one that will sign needs nothing of anybody yet"


RUNNING = Running(
    keys=frozenset({"k"}),
    secrets=frozenset({"eap-alice"}),
    certificates=frozenset({"c"}),
    pools={"p": "1"},
    connections={"north": "2", "theirs": "3"},
)
LOADED = Loaded(
    directories=["/live/1"],
    keys=["k"],
    pools=["p"],
    secrets=["eap-alice"],
    connections=["north"],
    certificates=["c"],
    digests={"north": "2", "pool p": "1"},
)


@pytest.mark.parametrize(
    ("changes", "directory", "told"),
    [
        ({}, "/live/1", []),
        ({}, "/live/2", ["what is loaded is of /live/1, not of /live/2"]),
        ({"directories": []}, "/live/2", ["what is loaded is of nothing of the agent's, not of /live/2"]),
        ({"keys": ["k", "l"]}, "/live/1", ["the key l is not loaded"]),
        ({"pools": ["p", "q"]}, "/live/1", ["the pool q is not loaded"]),
        ({"secrets": ["eap-bob"]}, "/live/1", ["the secret eap-bob is not loaded"]),
        ({"certificates": ["d"]}, "/live/1", ["the certificate d is not loaded"]),
        ({"connections": ["south"]}, "/live/1", ["the connection south is not loaded"]),
        ({"digests": {"north": "0", "pool p": "1"}}, "/live/1", ["somebody has loaded another connection north"]),
        ({"digests": {"north": "2", "pool p": "0"}}, "/live/1", ["somebody has loaded another pool p"]),
    ],
    ids=range(10),
)
def test_what_runs_is_compared_with_what_was_loaded(changes, directory, told):
    assert [*Loaded(**{**vars(LOADED), **changes}).differences(RUNNING, [Path(directory)])] == told


def test_where_charon_does_not_answer_its_connections_are_down_without_an_alarm(tmp_path, capsys):
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/north.conf").write_text(
        "connections {\n north {\n  local {\n  }\n  children {\n   net {\n    start_action = start\n   }\n  }\n }\n}\n"
    )
    arguments = ["--socket", str(tmp_path / "nothing"), "--state", str(tmp_path / "state"), str(tmp_path)]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out) == {
        "state": "down",
        "subject": "tunnel north",
        "why": "charon does not answer",
    }


def test_a_generation_that_can_not_be_read_is_named(tmp_path, capsys):
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/north.conf").write_text("connections {\n north {\n }\n}\n")
    assert main(["--socket", "/nothing", "--state", "/nothing", str(tmp_path)]) == 1
    assert "north.conf, line 2: the connection north needs local, remote and children" in capsys.readouterr().err

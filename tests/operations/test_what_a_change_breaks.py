"""What a change breaks is said by name before it is made, as a person or a script reads it."""

import re
from datetime import timedelta

import pytest
from cryptography import x509

from agent.operations import consequences
from agent.operations.locked_state import locked_state
from agent.operations.root import root_effects, upload_root
from agent.pki.authority import Root
from agent.pki.chain import KeyType, Purpose
from agent.pki.encoding import Part, encode
from support.appliances.branching import HeadOffice, request
from support.cas import certificates as toy_ca
from support.clients.terminal import Terminal

STOPS = {
    "module": "branches",
    "sentence": "The tunnel to north stops until it has the new root.",
    "severity": "outage",
}
ROOT_STOPS = f"{STOPS['sentence']} (branches)"


@pytest.fixture
def context(appliance):
    return HeadOffice(appliance)


@pytest.fixture
def typed(context):
    return Terminal(context.appliance.root)


def roots(typed: Terminal) -> list[str]:
    return [each["sha256"] for each in typed.json("root", "list")["roots"]]


def test_a_new_root_names_each_tunnel_that_is_up_and_each_peer(context, typed):
    context.up.write_text("north\nsouth\n")
    context.sign("north")
    before = roots(typed)
    done = typed.run("root", "reissue", "--now", "--dry-run")
    assert done.returncode == 0
    assert done.stdout.splitlines()[:5] == [
        "The new root signs at once. The old one is believed no longer.",
        ROOT_STOPS,
        "The tunnel to south stops until it has the new root. (branches)",
        "1 local chain will be signed again and deployed: branches/office.",
        "1 peer certificate will be signed again, for you to carry to its device: branches/north.",
    ]
    assert done.stdout.endswith("Nothing was changed.\n")
    assert roots(typed) == before


OLD = "gw Root CA"
NEXT = r"From 20\d\d-\d\d-\d\d on the new root signs\. "
BRIDGED = "Who knows only the old one takes what it signs, by a cross-certificate."
UNBRIDGED = r"Clients that know only the old one will refuse that, as no cross-certificate helps: "


def narrow(context: HeadOffice) -> None:
    """Have a root sign that may certify no other one, as those of earlier versions."""
    found = toy_ca.root("Narrow Root", pathlen=0, now=context.appliance.clock(), cert_sign=True)
    context.appliance.change(upload_root, Root(found.key, found.certificate))
    context.appliance.apply()


def uploaded(context: HeadOffice, name: str, **more) -> str:
    found = toy_ca.root(name, now=context.appliance.clock(), cert_sign=True, **more)
    file = context.appliance.root / f"{name}.pem"
    file.write_bytes(toy_ca.key_pem(found.key) + toy_ca.pem(found.certificate))
    return str(file)


def test_no_tunnel_is_said_to_stop_that_a_cross_certificate_keeps(context, typed):
    context.up.write_text("north\n")
    for words in (("reissue",), ("upload", uploaded(context, "Company CA"))):
        said = typed.run("root", *words, "--dry-run").stdout
        assert re.fullmatch(NEXT + BRIDGED, said.splitlines()[0])
        assert "stops" not in said
    assert typed.json("root", "reissue", "--dry-run")["effects"]["at_once"] == [STOPS]
    assert typed.run("root", "reissue", "--yes-reissue-root").returncode == 0
    said = typed.run("root", "begin").stderr
    assert said.startswith(f"The new root signs at once. {BRIDGED}\n1 local chain will be signed again")
    assert "stops" not in said
    assert "sees warnings" not in said


@pytest.mark.parametrize("words", [("reissue",), ("upload", "Company CA")])
def test_where_no_cross_certificate_is_possible_it_is_said_why_and_what_stops(context, typed, words):
    narrow(context)
    context.up.write_text("north\n")
    done = typed.run("root", words[0], *(uploaded(context, each) for each in words[1:]), "--dry-run")
    first, second, *_ = done.stdout.splitlines()
    assert re.fullmatch(NEXT + UNBRIDGED + r"it allows no authorities below itself .*\.", first)
    assert second == ROOT_STOPS
    if words == ("reissue",):
        assert typed.run("root", "reissue", "--yes-reissue-root").returncode == 0
        assert ROOT_STOPS in typed.run("root", "begin").stderr


def test_a_root_of_the_same_name_is_not_bridged(context, typed):
    context.up.write_text("north\n")
    said = typed.run("root", "upload", uploaded(context, OLD), "--dry-run").stdout
    assert re.fullmatch(NEXT + UNBRIDGED + r"both have the same name\.", said.splitlines()[0])
    assert ROOT_STOPS in said


def test_a_retirement_names_who_may_still_have_a_certificate_and_what_modules_say(context, typed):
    context.sign("north")
    context.up.write_text("north\n")
    for words in (("reissue", "--yes-reissue-root"), ("begin", "--yes-begin-signing")):
        assert typed.run("root", *words).returncode == 0
    assert typed.run("root", "retire").stderr.splitlines()[:3] == [
        "The tunnel to north stops if it knows only the root before. (branches)",
        "branches/north is refused where it still has the certificate of that root.",
        "Error: This needs confirmation; nothing was changed.",
    ]


def test_the_same_as_json(context, typed):
    context.up.write_text("north\n")
    context.sign("north")
    assert typed.json("root", "reissue", "--now", "--dry-run")["effects"] == {
        "resigned": ["branches/office"],
        "peers": ["branches/north"],
        "consequences": [STOPS],
        "unknown": [],
        "uninspected": [],
        "signs_at": None,
        "dropped": "",
        "bridged": False,
        "obstacle": "",
        "at_once": [],
    }


def test_it_is_said_before_a_root_is_made_or_uploaded_and_nothing_happens_without_the_word(context, typed):
    context.up.write_text("north\n")
    company = toy_ca.root("Company CA", now=context.appliance.clock())
    file = context.appliance.root / "ca.pem"
    file.write_bytes(toy_ca.key_pem(company.key) + toy_ca.pem(company.certificate))
    before = roots(typed)
    for words, flag in [(("reissue",), "--yes-reissue-root"), (("upload", str(file)), "--yes-replace-root")]:
        done = typed.run("root", *words, "--now")
        assert ROOT_STOPS in done.stderr.splitlines()
        assert (done.returncode, flag in done.stderr) == (2, True)
        assert ROOT_STOPS in typed.run("root", *words, "--now", "--dry-run").stdout
    assert roots(typed) == before
    assert typed.run("root", "upload", str(file), "--yes-replace-root").returncode == 0
    assert len(roots(typed)) == 2


def test_an_inspection_that_fails_is_a_note(context, typed):
    context.up.unlink()
    done = typed.run("root", "reissue", "--dry-run")
    assert done.returncode == 0
    (line,) = [each for each in done.stdout.splitlines() if "could not be seen" in each]
    assert line.startswith("What runs in branches could not be seen: cat: ")
    assert typed.run("root", "reissue", "--yes-reissue-root").returncode == 0


def test_an_inspection_that_hangs_is_waited_for_so_long_and_no_longer(context, monkeypatch):
    asked: list[float] = []

    class Hanging:
        def run(self, action):
            asked.append(action.timeout)
            return context.appliance.runner.run(action)

    engine = context.appliance.engine()
    engine.runner = Hanging()
    with locked_state(engine) as state:
        root_effects(state)
    assert asked == [consequences.INSPECTION_SECONDS]


def test_a_module_that_raises_could_not_say_and_stops_nothing(context, typed):
    plugin = context.appliance.layout.plugins / "branches.py"
    plugin.write_text(plugin.read_text().replace("for branch in observed.split():", "for branch in 1 / 0:"))
    done = typed.run("root", "reissue", "--dry-run")
    assert (done.returncode, done.stdout.splitlines()[1]) == (0, "branches could not say what it would lose.")


def test_a_new_chain_for_a_module_whose_sessions_drop_is_said(context, typed):
    context.up.write_text("north\n")
    done = typed.run("reissue", "office.example.test")
    assert "The tunnel to north drops once. (branches)" in done.stderr.splitlines()


def test_a_module_that_says_only_that_it_is_disruptive_is_believed(context, typed):
    plugin = context.appliance.layout.plugins / "branches.py"
    plugin.write_text(plugin.read_text().replace("    def consequences_of(", "    def nobody_asks("))
    done = typed.run("reissue", "office.example.test")
    assert "Everybody who is connected is cut off when the new chain is taken. (branches)" in done.stderr.splitlines()
    assert "cut off" not in typed.run("root", "peers").stderr


def test_deleting_an_upload_says_what_drops(appliance, context, typed):
    plugin = appliance.layout.plugins / "branches.py"
    plugin.write_text(plugin.read_text().replace(', sources=("local",)', ""))
    context.up.write_text("north\n")
    now = appliance.clock()
    shop = Root.create("Shop CA", "", now - timedelta(days=30), now - timedelta(days=30))
    chain = shop.issue(["office.example.test"], KeyType.ECDSA_P256, Purpose.SERVER, now, timedelta(days=300))
    file = appliance.root / "bought.pem"
    file.write_bytes(encode(chain, [Part.KEY, Part.FULLCHAIN, Part.ROOT]))
    assert typed.run("upload", str(file)).returncode == 0
    asked = typed.run("delete", chain.id[:12])
    assert (asked.returncode, asked.stderr.splitlines()[0]) == (1, "The tunnel to north drops once. (branches)")
    assert typed.run("delete", chain.id[:12], "--yes").returncode == 0


# What plugin commands and the root's own do


def test_the_commands_of_a_plugin_sign_list_export_and_revoke(context, typed):
    csr = context.appliance.root / "branch.csr"
    csr.write_bytes(request())
    serial = typed.run("branches", "sign", str(csr), "north", "north.example.test").stdout.strip()
    assert typed.run("branches", "list").stdout == f"north {serial} server,client\n"
    leaf, root = x509.load_pem_x509_certificates(typed.run("branches", "export", serial).stdout.encode())
    leaf.verify_directly_issued_by(root)
    done = typed.run("branches", "revoke", serial)
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, serial)
    assert [f"{each.serial_number:x}" for each in context.crl()] == [serial]
    again = typed.run("branches", "revoke", serial)
    assert again.returncode == 1
    assert f"The certificate with the serial number {serial} was revoked at" in again.stderr


def test_what_another_module_has_signed_is_not_there_for_a_plugin_s_command(context, typed):
    serial = context.sign("north")
    with context.appliance.store() as store, store.write():
        store.database.execute("update peers set module = 'other'")
    assert typed.run("branches", "list").stdout == ""
    assert "The root has signed nothing with the serial number" in typed.run("branches", "export", serial).stderr
    assert "The root has signed nothing with the serial number" in typed.run("branches", "revoke", serial).stderr


def test_root_peers_lists_and_export_writes(context, typed):
    assert typed.run("root", "peers").stderr == "The root has signed nothing for others.\n"
    serial = context.sign("north")
    head, row = typed.run("root", "peers").stdout.splitlines()
    assert head.split() == ["SERIAL", "PEER", "NAMES", "FOR", "UNTIL", "STATE"]
    assert row.split()[:3] == [serial, "branches/north", "north.example.test"]
    assert row.endswith("good")
    (peer,) = typed.json("root", "peers")["peers"]
    assert (peer["serial"], peer["state"], peer["purposes"]) == (serial, "good", ["server", "client"])
    pem = typed.run("root", "export", serial).stdout
    assert len(x509.load_pem_x509_certificates(pem.encode())) == 2
    out = context.appliance.root / "north.pem"
    assert typed.run("root", "export", serial, "--out", str(out)).returncode == 0
    assert out.read_text() == pem
    assert typed.run("root", "export", "ffff").returncode == 1


def test_root_revoke_says_what_follows_wants_a_yes_and_makes_the_list(context, typed):
    serial = context.sign("north")
    asked = typed.run("root", "revoke", serial)
    assert asked.returncode == 2
    assert asked.stderr.splitlines()[:2] == [
        "branches/north will no longer be trusted: north.example.test",
        "A tunnel stops for good. (branches)",
    ]
    assert list(context.crl()) == []
    done = typed.run("root", "revoke", serial, "--reason", "superseded", "--yes")
    assert done.returncode == 0, done.stderr
    crl = x509.load_pem_x509_crl(typed.run("root", "crl").stdout.encode())
    assert [f"{each.serial_number:x}" for each in crl] == [serial]
    assert crl == context.crl()
    out = context.appliance.root / "root.crl"
    assert typed.run("root", "crl", "--der", "--out", str(out)).returncode == 0
    assert x509.load_der_x509_crl(out.read_bytes()) == crl
    assert typed.json("root", "crl")["revoked"] == 1
    assert typed.run("root", "crl", "--der").returncode == 2


def test_the_list_of_an_earlier_root_is_still_to_be_had(context, typed):
    old = roots(typed)[0]
    typed.run("root", "reissue", "--now", "--yes-reissue-root")
    own, earlier = typed.run("root", "crl").stdout, typed.run("root", "crl", "--of", old[:12]).stdout
    assert own != earlier
    assert list(x509.load_pem_x509_crl(earlier.encode())) == []
    assert "No root of which that can be asked" in typed.run("root", "crl", "--of", "0" * 64).stderr

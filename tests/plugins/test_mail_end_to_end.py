"""Mail from settings to the wire: the whole core on a real postfix and a real dovecot."""

import shutil
import ssl
import threading
from collections import Counter

import pytest

from agent.model.deployment import Outcome
from agent.planning import Obtain
from support.appliances.mailed import ACCOUNT, ASKED, LISTENERS, MAIN, NAMES, PASSWORD, Mailed

pytestmark = pytest.mark.root
SWAPS = 2
THOUSAND = 1000
QUARTER = 16
"""Minutes, after which endpoints and files are looked at again."""


def test_each_name_is_served_with_its_own_chain_through_every_door(looked_at):
    looked_at.assert_served()
    assert len(set(looked_at.chains().values())) == 3
    assert {each.slot for each in looked_at.records()} == set(ASKED.values())
    assert len(looked_at.records()) == 3 * len(LISTENERS)
    assert all(each.ok for each in looked_at.records())


def test_clients_that_send_no_name_get_the_main_names_chain(looked_at):
    bound = looked_at.chains()["default"]
    assert {door: looked_at.leaf(door, None) for door in LISTENERS} == dict.fromkeys(LISTENERS, bound)


def test_new_chains_for_all_names_cost_one_test_and_one_reload_of_each_daemon(mailing):
    before = mailing.chains()
    mailing.renew()
    mailing.apply()
    assert set(before.values()).isdisjoint(mailing.chains().values())
    mailing.assert_served()
    runner = mailing.runner
    assert (runner.count("-x base_dir"), runner.count("postfix_check")) == (1, 1)
    assert (runner.count("dovecot_reload"), runner.count(" reload")) == (1, 1)
    assert runner.count("postfix_files") == 2, "each makes what isn't there yet"


def test_a_pass_with_nothing_to_do_only_asks_dovecot_what_it_runs_with(looked_at):
    assert looked_at.apply().performed == ()
    (asked,) = looked_at.runner.ran
    assert " observe " in str(asked)


def test_a_further_name_comes_and_goes(mailing):
    mailing.configure(domains=[*NAMES, "mail.c.test"])
    mailing.apply()
    bound = mailing.chains()["mail.c.test"]
    assert {mailing.leaf(door, "mail.c.test") for door in LISTENERS} == {bound}
    mailing.configure(domains=NAMES)
    mailing.apply()
    assert {mailing.leaf(door, "mail.c.test") for door in LISTENERS} == {mailing.chains()["default"]}
    assert not list(mailing.live("mail").rglob("mail.c.test*"))


def test_the_map_of_names_is_as_secret_as_the_keys_in_it(looked_at):
    files = {path.name: path.stat().st_mode & 0o777 for path in looked_at.live("mail").rglob("*") if path.is_file()}
    secret = {name for name in files if name.endswith((".pem", "sni", "sni.db"))}
    assert {"sni", "sni.db", "default.pem"} <= secret
    assert {files[name] for name in secret} == {0o600}


def test_another_minimum_of_tls_is_seen_on_the_wire(mailing):
    path = mailing.override(
        "mail/dovecot.conf.j2", '{% include "default:dovecot.conf.j2" %}\nssl_min_protocol = TLSv1.3\n'
    )
    mailing.apply()
    with pytest.raises(ssl.SSLError):
        mailing.leaf("imaps", MAIN, "aECDSA")  # of TLS 1.2
    path.unlink()
    mailing.apply()
    assert mailing.leaf("imaps", MAIN, "aECDSA") == mailing.chains()["default"]


# Connections across swaps


def say(stream: ssl.SSLSocket, command: str, last: str) -> str:
    """Send a command and return its answer, up to the line that begins with `last`."""
    stream.sendall(f"{command}\r\n".encode())
    text = b""
    while not any(line.startswith(last.encode()) for line in text.splitlines()) or not text.endswith(b"\n"):
        data = stream.recv(4096)
        assert data, text
        text += data
    return text.decode()


def test_sessions_go_on_across_swaps(mailed):
    mailed.with_account()
    mailed.bring_up()
    with mailed.connect("submission") as smtp, mailed.connect("imap") as imap:
        assert say(smtp, "EHLO client.test", "250 ")
        assert say(imap, f"a LOGIN {ACCOUNT} {PASSWORD}", "a ").splitlines()[-1].startswith("a OK")
        assert "a OK" in say(imap, "a SELECT INBOX", "a ")
        for _ in range(SWAPS):
            before = mailed.leaf("imap"), mailed.leaf("submission")
            mailed.renew()
            mailed.apply()
            assert set(before).isdisjoint({mailed.leaf("imap"), mailed.leaf("submission")})
            assert say(smtp, "NOOP", "250 ").startswith("250 ")
            assert say(imap, "a NOOP", "a ").startswith("a OK")
        assert say(smtp, "MAIL FROM:<>", "250 ").startswith("250 ")
        assert say(smtp, "QUIT", "221 ").startswith("221 ")
        assert "BYE" in say(imap, "a LOGOUT", "a ")


def visit(box: Mailed, door: str, stop: threading.Event, results: list[str]) -> None:
    while not stop.is_set():
        for name in ASKED:
            try:
                results.append(f"{name} {box.leaf(door, name)}")
            except (OSError, AssertionError) as error:
                results.append(f"{door} {name}: {error!r}")


def test_no_handshake_fails_under_load_across_swaps(mailing):
    served = [mailing.chains()]
    stop = threading.Event()
    results: list[str] = []
    threads = [threading.Thread(target=visit, args=(mailing, door, stop, results)) for door in LISTENERS]
    for thread in threads:
        thread.start()
    try:
        for _ in range(SWAPS):
            mailing.renew()
            mailing.apply()
            served.append(mailing.chains())
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    mailing.assert_served()
    possible = {f"{name} {chains[slot]}" for chains in served for name, slot in ASKED.items()}
    assert Counter(each for each in results if each not in possible) == {}
    assert len(results) > 50


# Many names


@pytest.mark.sampled(0)
def test_a_thousand_names_are_served_each_with_its_own_chain_and_renewed(mailed):
    """The three that are told apart are at the ends of the list and in its middle."""
    names = [f"m{number}.many.test" for number in range(THOUSAND - 1)]
    mailed.configure(domains=names, module={"key_type": "ecdsa-p256"})
    mailed.bring_up()
    looked_at = (MAIN, names[0], names[len(names) // 2], names[-1])
    slots = ("default", *looked_at[1:])

    def served() -> set[tuple[str, str]]:
        return {
            (name, mailed.leaf(door, name)) for name in looked_at for door in ("submission", "smtps", "imap", "imaps")
        }

    before = mailed.chains()
    assert len(set(before.values())) == THOUSAND
    assert served() == {(name, before[slot]) for name, slot in zip(looked_at, slots, strict=True)}
    mailed.renew()
    mailed.apply()
    after = mailed.chains()
    assert set(before.values()).isdisjoint(after.values())
    assert mailed.deployment("mail").outcome is Outcome.LIVE
    assert served() == {(name, after[slot]) for name, slot in zip(looked_at, slots, strict=True)}
    assert all(each.ok for each in mailed.records())
    assert {each.slot for each in mailed.records()} == set(after)


# Damage by somebody else


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "name",
    ["postfix/default.pem", "postfix/sni.db", "chains/default.key.pem", "chains/mail.a.test.pem", "dovecot.conf"],
)
def test_a_damaged_file_is_found_by_the_next_look_and_made_again_without_a_ca(mailing, name):
    before = mailing.chains()
    damaged = mailing.live("mail") / name
    damaged.write_text("-----BEGIN NONSENSE-----\n")
    assert mailing.apply().performed == ()
    mailing.clock.advance(minutes=QUARTER)
    mailing.apply()
    assert mailing.deployment("mail").outcome is Outcome.LIVE
    assert mailing.chains() == before
    mailing.assert_served()
    assert "NONSENSE" not in (mailing.live("mail") / name).read_text(errors="replace")
    assert not any(isinstance(each, Obtain) for each in mailing.apply().performed)


def test_a_map_that_is_gone_cuts_off_every_client_that_sends_a_name_and_comes_back(mailing):
    (mailing.live("mail") / "postfix/sni.db").unlink()
    mailing.clock.advance(minutes=QUARTER)
    mailing.apply()
    mailing.assert_served()
    assert mailing.deployment("mail").outcome is Outcome.LIVE


def test_a_generation_that_is_gone_comes_back(mailing):
    shutil.rmtree(mailing.live("mail"))
    mailing.clock.advance(minutes=QUARTER)
    mailing.apply()
    mailing.assert_served()

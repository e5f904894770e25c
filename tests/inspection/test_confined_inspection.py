"""Inspections in a process of their own: the same results, and an end to whatever takes too much."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.errors import AgentError
from agent.inspection import Diagnosis, InputFile, Limits, diagnose_root, inspect_chain, inspect_root
from agent.inspection.messages import error_of, error_row
from agent.pki.key import key_pem
from agent.system.layout import Layout
from errors.examples import EXAMPLES
from support.cas.certificates import NOW, pem
from support.fakes.uploads import (
    CA,
    LEAF,
    ROOT,
    SALT,
    WHOLE,
    bundle_of,
    encrypted_key,
    hidden_bomb,
    integer,
    look,
    p12,
    pbkdf2,
    pieces,
    refusal,
    scrypt,
    tlv,
)
from support.processes.tree import inspections_of, kill_all
from support.waiting import until

SECRET = b"geheim"
SHORT = Limits(processor=1)
ENDLESS = 2_000_000_000
"""Rounds that take minutes."""
WRITE_AGAIN = (
    "Write it again with usual parameters: openssl pkey -in FILE -out plain.pem, "
    "or for PKCS#12: openssl pkcs12 -in FILE -nodes -out plain.pem"
)


def inspected(*given, passphrase: bytes | None = SECRET, limits: Limits = SHORT, own: str = "") -> Diagnosis:
    return inspect_chain(
        pieces(*given), passphrase=passphrase, layout=Layout(Path("/nowhere")), own=own, now=NOW, limits=limits
    )


def confined_refusal(*given, **options) -> str:
    with pytest.raises(AgentError) as caught:
        inspected(*given, **options)
    return str(caught.value)


# The same results


@pytest.mark.parametrize(
    "files", [[WHOLE], [p12(LEAF, CA, ROOT, secret=SECRET)], [bundle_of(LEAF, CA), pem(CA.certificate)]]
)
def test_a_chain_and_all_remarks_come_back(files):
    wanted = look(*files, passphrase=SECRET, anchors=[ROOT.certificate])
    found = inspected(*files, own=pem(ROOT.certificate).decode())
    assert (found.chain.presented, found.chain.anchor) == (wanted.chain.presented, wanted.chain.anchor)
    assert key_pem(found.chain.key) == key_pem(LEAF.key)
    assert found.remarks == wanted.remarks


def test_a_root_comes_back_with_its_key_and_parents():
    files = pieces(bundle_of(CA, ROOT))
    wanted, found = diagnose_root(files, now=NOW), inspect_root(files, passphrase=None, now=NOW)
    assert (
        (found.certificate, found.parents)
        == (wanted.certificate, wanted.parents)
        == (CA.certificate, (ROOT.certificate,))
    )
    assert key_pem(found.key) == key_pem(CA.key)


def test_the_appliance_s_trusted_certificates_are_known(tmp_path):
    layout = Layout(tmp_path)
    layout.trust.mkdir(parents=True)
    (layout.trust / "company.pem").write_bytes(pem(ROOT.certificate))
    found = inspect_chain(pieces(bundle_of(LEAF, CA)), passphrase=None, layout=layout, own="", now=NOW)
    assert found.chain.anchor == ROOT.certificate


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: error.code)
def test_every_error_of_an_inspection_comes_back_as_it_was(error):
    if not error.code.startswith(("upload.", "chain.", "root.")):
        return
    again = error_of(error_row(error))
    assert (type(again), again.problem) == (type(error), error.problem)


def test_a_refusal_is_the_same():
    for given in ([], [b"hello"], [WHOLE[:300]], [bundle_of(LEAF)], [WHOLE, b" " * 1024 * 1024]):
        assert confined_refusal(*given) == refusal(*given)


# An end to what takes too much


@pytest.mark.parametrize(
    "data",
    [hidden_bomb(ENDLESS, SECRET), encrypted_key(pbkdf2(ENDLESS)), encrypted_key(scrypt(2**14, 8, 2**14))],
    ids=["rounds inside what is encrypted", "rounds", "scrypt"],
)
def test_what_takes_minutes_is_given_up(data: bytes):
    assert confined_refusal(WHOLE, ("a.p12", data)) == (
        f"a.p12: It takes more than 1 seconds of computing time to open and to check, and was given up.\n{WRITE_AGAIN}"
    )


def long_rsa_key() -> bytes:
    """Return a good key of 14,112 bits (RFC 8017 appendix A.1.2), made of two known primes of Mersenne's."""
    p, q, e = 2**9689 - 1, 2**4423 - 1, 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = (0, p * q, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))
    return tlv(0x30, *map(integer, numbers))


def test_a_very_long_rsa_key_is_given_up():
    assert confined_refusal(WHOLE, ("a.key", long_rsa_key())) == (
        f"a.key: It takes more than 1 seconds of computing time to open and to check, and was given up.\n{WRITE_AGAIN}"
    )


def test_what_takes_too_much_memory_is_given_up():
    assert confined_refusal(WHOLE, ("a.key", encrypted_key(scrypt(2**20, 8, 1)))) == (
        f"a.key: It takes more than 512 MB of memory to open and to check, and was given up.\n{WRITE_AGAIN}"
    )


def test_what_waits_for_the_processor_is_given_up_at_last():
    limits = Limits(processor=600, wall=3)
    assert confined_refusal(("a.p12", hidden_bomb(ENDLESS, SECRET)), limits=limits) == (
        f"a.p12: It takes more than 3 seconds to open and to check, and was given up.\n{WRITE_AGAIN}"
    )
    assert inspections_of(os.getpid()) == []


def test_half_a_million_values_take_no_time():
    body = integer(1) + (tlv(0x04) + integer(0)) * 80_000
    assert "a.key: " in confined_refusal(WHOLE, ("a.key", tlv(0x30, body)))


# The process


@contextmanager
def while_inspecting() -> Iterator[tuple[int, list[str]]]:
    """Yield the process of an inspection that would take minutes, and a list that gets its message at its end."""
    messages: list[str] = []
    bomb = ("a.p12", hidden_bomb(ENDLESS, SECRET))
    thread = threading.Thread(
        target=lambda: messages.append(confined_refusal(bomb, limits=Limits(processor=600, wall=60)))
    )
    thread.start()
    try:
        until(lambda: inspections_of(os.getpid()))
        (pid,) = inspections_of(os.getpid())
        until(lambda: "NoNewPrivs:\t1" in Path(f"/proc/{pid}/status").read_text())
        yield pid, messages
    finally:
        kill_all(inspections_of(os.getpid()))
        thread.join()


def test_others_can_read_nothing_of_it_and_it_may_write_nothing():
    with while_inspecting() as (pid, _):
        limits = Path(f"/proc/{pid}/limits")
        until(lambda: "Max file size             0" in limits.read_text())
        until(lambda: "Max core file size        0" in limits.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        assert [each for each in (SECRET, SALT) if each in command] == []


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGTERM])
def test_what_kills_it_is_said(number: signal.Signals):
    with while_inspecting() as (pid, messages):
        os.kill(pid, number)
        until(lambda: messages)
    assert messages[0].removeprefix("a.p12: ") == (
        f"The upload could not be inspected: its process was ended by {number.name}.\n"
        "Upload key and certificates as unencrypted PEM; if that fails too, report it with this message."
    )


def test_names_of_files_may_hold_anything():
    assert (
        inspect_chain(
            [InputFile("\udcff\n\x00ä", WHOLE)], passphrase=None, layout=Layout(Path("/nowhere")), own="", now=NOW
        ).chain.leaf
        == LEAF.certificate
    )

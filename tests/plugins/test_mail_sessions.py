"""What of a session of mail survives a renewal, on the real daemons, as long as they take to end one."""

import contextlib
import imaplib
import poplib
import re
import smtplib
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from agent.operations.root import reissue_root
from agent.probing.handshake import lenient_context
from plugins.mail.dovecot import RELOAD
from support.appliances.deployed import leaf_of, run_quietly
from support.appliances.mailed import ACCOUNT, MAIN, PASSWORD, Mailed
from support.waiting import until

pytestmark = pytest.mark.root
LARGE = 60_000_000
"""Octets of a message: no buffer holds that."""
CUT_AFTER = 8
"""Seconds; dovecot ends sessions 6 s after a reload where it does."""
DISCARDED = '{% include "default:main.cf.j2" %}\nlocal_transport = discard:\nmessage_size_limit = 0\n'


@pytest.fixture
def with_account(mailed) -> Mailed:
    """Somebody can log in, and mail that comes goes nowhere."""
    mailed.with_account()
    mailed.override("mail/main.cf.j2", DISCARDED)
    return mailed


class Sessions:
    """Sessions that are held by threads until `ends`, each with what became of it."""

    def __init__(self, box: Mailed) -> None:
        self.box = box
        self.ends = float("inf")
        """Of `time.monotonic`."""
        self.found: dict[str, str] = {}
        self._began: list[str] = []
        self._threads: list[threading.Thread] = []

    def hold(self, **sessions: Callable[[str], str]) -> None:
        for name, session in sessions.items():
            self._threads.append(threading.Thread(target=self._run, args=(name, session)))
            self._threads[-1].start()
        until(lambda: len(self._began) + len(self.found) >= len(self._threads), what="all sessions have begun")

    def end(self, seconds: float) -> dict[str, str]:
        self.ends = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(seconds + 60)
        return self.found

    def _run(self, name: str, session: Callable[[str], str]) -> None:
        try:
            self.found[name] = session(name)
        except (OSError, smtplib.SMTPException, imaplib.IMAP4.error, poplib.error_proto) as error:
            self.found[name] = f"broke: {error!r}"

    @property
    def _over(self) -> bool:
        return time.monotonic() > self.ends

    def idle(self, name: str) -> str:
        imap = imaplib.IMAP4_SSL("127.0.0.1", self.box.ports["imaps"], ssl_context=lenient_context())
        with contextlib.closing(imap.sock) as stream, contextlib.closing(imap.file):
            imap.login(ACCOUNT, PASSWORD)
            imap.select()
            stream.settimeout(0.5)
            leaf = leaf_of(stream)
            stream.sendall(b"a IDLE\r\n")
            self._began.append(name)
            said = b""
            while b"a OK" not in said:
                if self._over and b"idling" in said:
                    stream.sendall(b"DONE\r\n")
                    stream.settimeout(20)
                try:
                    data = stream.recv(4096)
                except TimeoutError:
                    continue
                said += data
                if not data or b"* BYE" in said:
                    return "ended by dovecot"
        return leaf

    def fetch(self, name: str) -> str:
        with imaplib.IMAP4_SSL("127.0.0.1", self.box.ports["imaps"], ssl_context=lenient_context()) as imap:
            imap.login(ACCOUNT, PASSWORD)
            imap.select(readonly=True)
            imap.sock.sendall(b"a FETCH 1 BODY.PEEK[]\r\n")
            return self._read(name, imap.sock, b"a OK")

    def retr(self, name: str) -> str:
        pop = poplib.POP3_SSL("127.0.0.1", self.box.ports["pop3s"], context=lenient_context())
        with contextlib.closing(pop):
            pop.user(ACCOUNT)
            pop.pass_(PASSWORD)
            pop.sock.sendall(b"RETR 1\r\n")
            return self._read(name, pop.sock, b"\r\n.\r\n")

    def _read(self, name: str, stream: ssl.SSLSocket, end: bytes) -> str:
        """Read a little now and then, and all of it once time is up."""
        leaf, got, tail = leaf_of(stream), 0, b""
        stream.settimeout(30)
        while got < LARGE or end not in tail:
            data = stream.recv(65536)
            if not data:
                return f"dropped after {got} octets"
            if not got:
                self._began.append(name)
            got += len(data)
            tail = (tail + data)[-4096:]
            if not self._over:
                self._pause.wait(0.2)
        return leaf

    def data(self, name: str) -> str:
        door = name.removeprefix("data_")
        if door == "smtps":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL("127.0.0.1", self.box.ports[door], context=lenient_context())
        else:
            smtp = smtplib.SMTP("127.0.0.1", self.box.ports[door])
            smtp.starttls(context=lenient_context())
        smtp.ehlo("client.test")
        smtp.mail("a@client.test")
        smtp.rcpt(f"nobody@{MAIN}")
        smtp.putcmd("data")
        assert smtp.getreply()[0] == 354
        leaf = leaf_of(smtp.sock)
        self._began.append(name)
        while not self._over:
            smtp.send(b"line\r\n")
            self._pause.wait(0.2)
        smtp.send(b".\r\n")
        code, said = smtp.getreply()
        smtp.quit()
        return leaf if code == 250 else f"{code} {said!r}"

    _pause = threading.Event()
    """Never set: a client that is slow."""


def write_large_message(box: Mailed) -> None:
    place = box.root / "mail/new"
    for each in ("cur", "new", "tmp"):
        (box.root / "mail" / each).mkdir()
    line = b"x" * 98 + b"\r\n"
    (place / "1.M1.gw").write_bytes(b"Subject: large\r\n\r\n" + line * (LARGE // len(line) + 1))
    subprocess.run(["chown", "-R", "nobody:nogroup", str(box.root / "mail")], check=True)


def begin_all(box: Mailed) -> tuple[Sessions, tuple[str, ...]]:
    """One of each kind."""
    sessions = Sessions(box)
    data = {f"data_{door}": sessions.data for door in ("smtp", "submission", "smtps")}
    sessions.hold(idle=sessions.idle, fetch=sessions.fetch, retr=sessions.retr, **data)
    return sessions, ("idle", "fetch", "retr", *data)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("seconds", [CUT_AFTER, 30])
def test_no_session_ends_by_a_renewal(with_account, seconds):
    """A mailbox that is idle, a large message that is read slowly by IMAP and POP3, and messages that come slowly."""
    box = with_account
    write_large_message(box)
    box.bring_up()
    before = box.chains()["default"]
    sessions, names = begin_all(box)
    box.renew()
    box.apply()
    box.assert_live()
    assert {box.leaf(door) for door in ("smtp", "submission", "smtps", "imaps", "pop3s")} == {box.chains()["default"]}
    assert before != box.chains()["default"]
    assert sessions.end(seconds) == dict.fromkeys(names, before)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("seconds", [CUT_AFTER, 30])
def test_no_session_ends_by_a_change_of_the_root(with_account, seconds):
    box = with_account
    write_large_message(box)
    box.bring_up()
    before = box.chains()["default"]
    sessions, names = begin_all(box)
    box.change(lambda state: reissue_root(state, at_once=True))
    box.apply()
    box.assert_live()
    assert {box.leaf(door) for door in ("smtp", "imaps")} == {box.chains()["default"]} != {before}
    assert sessions.end(seconds) == dict.fromkeys(names, before)


def test_a_restart_ends_what_postfix_has_and_not_what_dovecot_has(with_account):
    """Without systemd, which ends every process of a unit."""
    box = with_account
    write_large_message(box)
    box.bring_up()
    before = box.chains()["default"]
    sessions, (*of_dovecot, smtp, submission, smtps) = begin_all(box)
    run_quietly("/usr/bin/doveadm", "-c", box.layout.service("dovecot").live / "dovecot.conf", "stop")
    run_quietly("/usr/sbin/postfix", "-c", box.live("mail") / "postfix", "stop")
    for service in box.pid_files:
        until(lambda service=service: box.master(service) is None, what="it has ended")
        box.start_daemon(service)
    found = sessions.end(CUT_AFTER)
    assert {name: found[name] for name in of_dovecot} == dict.fromkeys(of_dovecot, before)
    assert all(found[name].startswith("broke: SMTPServerDisconnected(") for name in (smtp, submission, smtps))


def consequences(box: Mailed) -> list[str]:
    """What a change of the chain would break, as mail says it."""

    def ask(state) -> list[str]:
        from agent.operations.consequences import need_effects

        effects = need_effects(state, [("mail", "default")])
        assert not effects.uninspected
        return [f"{each.severity}: {each.sentence}" for each in effects.consequences]

    return box.change(ask)


WHY = "dovecot runs with shutdown_clients = yes and ends every session when it is reloaded"


def test_the_reload_that_brings_in_what_keeps_sessions_waits_for_the_window_says_whom_it_cuts_and_is_the_last(mailed):
    """What decides is the setting that dovecot runs with, not the one in its files."""
    box = mailed
    box.with_account()
    path = box.layout.templates / "dovecot/dovecot.conf.j2"
    kept = path.read_text()
    path.write_text(kept + "shutdown_clients = yes\n")
    box.bring_up()
    assert consequences(box) == [f"info: Nobody is connected to dovecot; {WHY}."]
    sessions = Sessions(box)
    sessions.hold(idle=sessions.idle)
    assert consequences(box) == [f"outage: 1 mail session drops ({ACCOUNT}); {WHY}."]

    opens = datetime.now(UTC) + timedelta(hours=2)
    path.write_text(kept)
    box.configure(module={"window": f"{opens:%H:%M}-{opens + timedelta(hours=1):%H:%M}"})
    box.apply()
    assert (box.runner.count("dovecot_reload"), sessions.found) == (0, {})
    box.clock.advance(hours=2, minutes=5)
    box.apply()
    assert box.runner.count("dovecot_reload") == 1
    assert sessions.end(CUT_AFTER) == {"idle": "ended by dovecot"}
    assert consequences(box) == []


def test_a_reload_that_dovecot_did_not_take_is_a_failure_with_its_own_words(mailing):
    chain = mailing.live("mail") / "chains/default.fullchain.pem"
    aside = chain.with_name("aside")
    chain.rename(aside)
    main_file = mailing.layout.service("dovecot").live / "dovecot.conf"
    pid_file = mailing.pid_files["dovecot"]

    def reload() -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-P", RELOAD, "/usr/bin/doveconf", main_file, pid_file]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    refused = reload()
    assert refused.returncode == 1
    assert refused.stderr.startswith("dovecot goes on with the configuration that it had\ndoveconf: Fatal: ")
    assert re.search(r"default\.fullchain\.pem\S* .*No such file or directory", refused.stderr)
    mailing.assert_served()
    aside.rename(chain)
    taken = reload()
    assert (taken.returncode, taken.stderr) == (0, "")

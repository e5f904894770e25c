"""Reload of postfix that sees whether it was taken, and whether SMTP is answered afterwards.

Called as ``python postfix_reload.py PROGRAMS DIRECTORY PID_FILE COMMAND [ARGUMENT...]``; the command has postfix read its files.
It ends with 0, as ``postfix check`` does, for settings by which every smtpd ends as soon as it has started. So each port at which
SMTP was answered before has to be answered afterwards, and no process that serves SMTP may be older than the reload unless it
holds a session. What postfix logs of it, to a file or to the journal, is the complaint.

A machine under load is slow, and nothing is concluded from that: time counts only while nothing of postfix's has work to do.
"""

from __future__ import annotations

import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from plugins.mail.postfix_log import Log
from plugins.mail.postfix_processes import (
    BEGINNING,
    LISTENING,
    address_of,
    at_rest,
    has_work,
    holds_session,
    opened,
    serving,
    sockets,
)
from plugins.mail.programs import PAUSE, master_of, printed, run

SECONDS = 15.0
"""Patience with a greeting that comes late; `SECONDS_BEFORE` ahead of the reload."""
SECONDS_BEFORE = 3.0
OLD_SECONDS = 60.0
"""Patience with processes that are to end, as long as they or the master have work to do; a tenth of a second is usual."""
STILL = 5.0
"""Seconds without work to do, after which processes that are to end won't, and a port without a process is dead."""
STILL_AND_SAID = 1.0
"""The same for a port where postfix has logged why."""
SCREENED = 15.0
"""The same for a port of postscreen's, which may hold a client back for 6 s before smtpd gets it."""


@dataclass(frozen=True)
class Listener:
    """A line of master.cf by which a client gets a greeting of smtpd's."""

    name: str
    port: int
    wrapped: bool
    """Whether TLS comes before the greeting."""
    screened: bool
    """Whether postscreen takes the connection, and hands it on to the line ``smtpd``."""

    @property
    def served_by(self) -> str:
        """Name of the line of the smtpd that greets."""
        return "smtpd" if self.screened else self.name

    @property
    def still(self) -> float:
        """Seconds without a process, after which it is dead."""
        return SCREENED if self.screened else STILL


def listeners(programs: str, directory: str) -> Iterator[Listener]:
    """Give the lines of master.cf that have a port (master(5))."""
    for line in printed(f"{programs}/postconf", "-c", directory, "-M", seconds=SECONDS).splitlines():
        name, kind, *words = line.split()
        if kind == "inet" and words[5:6] in (["smtpd"], ["postscreen"]):
            with suppress(OSError, ValueError):
                port = port_of(name.rpartition(":")[2])
                yield Listener(name, port, "smtpd_tls_wrappermode=yes" in line, words[5] == "postscreen")


def port_of(word: str) -> int:
    """Return a port, which may be written as the name of its protocol."""
    return int(word) if word.isdigit() else socket.getservbyname(word, "tcp")


def place_of(master: int, listener: Listener) -> str | None:
    """Return an address by which a listener is reached from here; None where the master isn't seen to listen there."""
    try:
        inodes = set(opened(master))
    except OSError:
        return None
    found = []
    for inode, (local, state) in sockets(master).items():
        host, _, port = local.partition(":")
        if inode in inodes and state == LISTENING and int(port, 16) == listener.port:
            found.append(address_of(host))
    with suppress(ValueError):
        named = str(ip_address(listener.name.rpartition(":")[0].strip("[]")))
        return named if named in found else None
    return found[0] if found else None


def answers(plain: socket.socket, wrapped: bool, seconds: float, is_dead: Callable[[], bool]) -> bool:
    """Wait for the first octet of a greeting, or of a handshake. One that comes too late is somebody's choice."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    if wrapped:
        with suppress(ssl.SSLWantReadError):
            unverified().wrap_bio(incoming, outgoing).do_handshake()
        plain.sendall(outgoing.read())
    plain.settimeout(PAUSE)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            return bool(plain.recv(1))
        except TimeoutError:
            if is_dead():
                return False
    return True


def unverified() -> ssl.SSLContext:
    """Return a context for a handshake that nothing is read from."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Watched:
    """Postfix before and after a reload."""

    def __init__(self, programs: str, directory: str, master: int) -> None:
        self._master = master
        self._log = Log(programs, directory)
        known = list(listeners(programs, directory))
        self._answered = [each for each, good in zip(known, at_once(self._answered_before, known), strict=True) if good]
        self._old = {each for each, name in serving(master).items() if name != BEGINNING}
        self._log.begin()

    def _answered_before(self, listener: Listener) -> bool:
        return self._answers(listener, SECONDS_BEFORE, self._death(listener, STILL_AND_SAID))

    def _answers(self, listener: Listener, seconds: float, is_dead: Callable[[], bool]) -> bool:
        host = place_of(self._master, listener)
        if host is None:
            return False
        try:
            with socket.create_connection((host, listener.port), timeout=seconds) as plain:
                return answers(plain, listener.wrapped, seconds, is_dead)
        except OSError:
            return False  # a handshake that fails is no matter of this

    def _death(self, listener: Listener, still: float) -> Callable[[], bool]:
        """Return what says whether there has been no process for a listener for too long, and none was to come."""
        last_seen = time.monotonic()

        def is_dead() -> bool:
            nonlocal last_seen
            if has_work([self._master]) or {listener.served_by, BEGINNING} & set(serving(self._master).values()):
                last_seen = time.monotonic()
            absent = time.monotonic() - last_seen
            return absent > still or (absent > STILL_AND_SAID and bool(self._log.complaints()))

        return is_dead

    def _answered_after(self, listener: Listener) -> bool:
        """Try again where a connection isn't taken, or ends without a word."""
        is_dead = self._death(listener, listener.still)
        deadline = time.monotonic() + SECONDS
        while not self._answers(listener, SECONDS, is_dead):
            if is_dead() or time.monotonic() > deadline:
                return False
            time.sleep(PAUSE)
        return True

    def wait_for_old(self) -> None:
        """Wait until no process is older than the reload, but those with a session; end where that takes too long."""
        begun = worked = time.monotonic()
        while left := self._left():
            now = time.monotonic()
            worked = now if has_work((self._master, *left)) else worked
            if now - worked > STILL or now - begun > OLD_SECONDS:
                if self._log.tells_of_a_reload():
                    return  # they wait for something else, and end then
                sys.exit(
                    f"postfix has not taken the reload: {len(left)} of its processes are those from before\n{self.said}"
                )
            time.sleep(PAUSE)

    def _left(self) -> list[int]:
        rest = at_rest(self._master)
        return [each for each in self._old & set(serving(self._master)) if not holds_session(each, rest)]

    def look(self) -> None:
        """End where a port is no longer answered."""
        for each, good in zip(self._answered, at_once(self._answered_after, self._answered), strict=True):
            if not good:
                sys.exit(self.said or f"postfix answers nobody any more at port {each.port}")

    @property
    def said(self) -> str:
        """What postfix has logged."""
        return "\n".join(self._log.complaints())


def at_once(look: Callable[[Listener], bool], at: list[Listener]) -> list[bool]:
    """Look at several at the same time: one that greets late makes none of the others wait."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(look, at))


def main(programs: str, directory: str, pid_file: str, *command: str) -> None:
    """Tell it, and look."""
    master = master_of(Path(pid_file))
    watched = Watched(programs, directory, master) if master is not None else None
    run(command)
    if watched is not None:
        watched.wait_for_old()
        watched.look()


if __name__ == "__main__":
    main(*sys.argv[1:])

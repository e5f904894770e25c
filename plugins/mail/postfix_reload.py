"""Reload of postfix that sees whether it was taken, and whether SMTP is answered afterwards.

Called as ``python postfix_reload.py PROGRAMS DIRECTORY PID_FILE COMMAND [ARGUMENT...]``; the command has postfix read its files.
It ends with 0, as ``postfix check`` does, for settings by which every smtpd ends as soon as it has started. So each port at which
SMTP was answered before has to be answered afterwards, and no process that serves SMTP may be older than the reload unless it
holds a session. What postfix logs of it, to a file or to the journal, is the complaint.

A machine under load is slow, and nothing is concluded from that: time counts only while nothing of postfix's has work to do.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from threading import Lock

NOT_FOUND = 127
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
PAUSE = 0.05
PROC = Path("/proc")
LISTENING = "0A"
"""State of a socket in ``/proc/net/tcp``."""
COMPLAINT = re.compile(r"(?:^|[\s/])(smtpd|postscreen|tlsmgr|master)\[\d+\]: ((?:fatal|panic): .*)")
TAKEN = ": reload -- version "
"""Word of the master's."""
LOGS = ("/var/log/mail.log", "/var/log/maillog")
"""Where syslog has what postfix logs, unless it logs to a file of its own."""
LOG_LIMIT = 1_000_000
"""Characters of a log that are read."""


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


class Log:
    """What postfix logs from now on: in a file, which may be replaced by another one meanwhile, or in the journal."""

    def __init__(self, programs: str, directory: str) -> None:
        own = ask(f"{programs}/postconf", "-c", directory, "-h", "maillog_file").strip()
        self._path = next((path for path in map(Path, (own,) if own else LOGS) if path.is_file()), None)
        self._file = self._path.open(errors="replace") if self._path else None
        self._asked = 0.0
        self._journal: list[str] = []
        self._lock = Lock()
        self.begin()

    def begin(self) -> None:
        """Leave out what was logged before."""
        self._since = time.time()
        self._begin = self._file.seek(0, 2) if self._file else 0

    def complaints(self) -> list[str]:
        """Return why processes have ended."""
        found = (COMPLAINT.search(line) for line in self._logged())
        return list(dict.fromkeys(f"{each[1]}: {each[2]}" for each in found if each))

    def tells_of_a_reload(self) -> bool:
        """Whether the master says that it was reloaded."""
        return any(TAKEN in line for line in self._logged())

    def _logged(self) -> list[str]:
        with self._lock:
            return self._lines() or self._in_journal()

    def _lines(self) -> list[str]:
        if self._file is None or self._path is None:
            return []
        length = self._file.seek(0, 2)
        self._file.seek(self._begin if length >= self._begin else 0)
        text = self._file.read(LOG_LIMIT)
        with suppress(OSError), self._path.open(errors="replace") as now:
            if not os.path.sameopenfile(now.fileno(), self._file.fileno()):
                text += now.read(LOG_LIMIT)
        return text.splitlines()

    def _in_journal(self) -> list[str]:
        """Ask at most once a second."""
        if time.monotonic() - self._asked > 1:
            argv = (
                "journalctl",
                "--quiet",
                "--no-pager",
                "--facility=mail",
                "--lines=1000",
                f"--since=@{self._since:.3f}",
            )
            self._journal = ask(*argv).splitlines()
            self._asked = time.monotonic()
        return self._journal


def ask(*argv: str) -> str:
    """Return what a program prints; nothing where it fails, or takes too long."""
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def listeners(programs: str, directory: str) -> Iterator[Listener]:
    """Give the lines of master.cf that have a port (master(5))."""
    for line in ask(f"{programs}/postconf", "-c", directory, "-M").splitlines():
        name, kind, *words = line.split()
        if kind == "inet" and words[5:6] in (["smtpd"], ["postscreen"]):
            with suppress(OSError, ValueError):
                port = port_of(name.rpartition(":")[2])
                yield Listener(name, port, "smtpd_tls_wrappermode=yes" in line, words[5] == "postscreen")


def port_of(word: str) -> int:
    """Return a port, which may be written as the name of its protocol."""
    return int(word) if word.isdigit() else socket.getservbyname(word, "tcp")


def master_of(pid_file: Path) -> int | None:
    """Return the number of the master; None where it doesn't run."""
    try:
        return int(pid_file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def status(process: int) -> tuple[str, int]:
    """Return the state of a process, such as "S", and its parent (proc(5)); empty where it has ended."""
    try:
        state, parent, *_ = (PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return "", 0
    return state, int(parent)


def has_work(processes: Iterable[int]) -> bool:
    """Whether any of them runs, or would if it could: all that waits for somebody else is asleep."""
    return any(status(each)[0] not in {"S", ""} for each in processes)


BEGINNING = ""
"""Name of the line of a process that the master has made and that hasn't become another program yet."""


def serving(master: int) -> dict[int, str]:
    """Return the master's children that serve SMTP to TCP, each with the name of its line, and those that begin without one."""
    found = {}
    for process in [int(place.name) for place in PROC.glob("[0-9]*")]:
        if status(process)[1] == master:
            with suppress(OSError, ValueError, IndexError):  # it has ended meanwhile
                words = (PROC / str(process) / "cmdline").read_text().split("\0")
                if words[0] == "smtpd" and words[words.index("-t") + 1] in {"inet", "pass"}:
                    found[process] = words[words.index("-n") + 1]
                elif words[0].endswith("/master"):
                    found[process] = BEGINNING
    return found


def sockets(process: int) -> dict[str, tuple[str, str]]:
    """Return the TCP sockets of a process's network by inode, each with local address and state, as the kernel writes them."""
    found = {}
    for table in ("tcp", "tcp6"):
        for words in rows(process, table):
            found[words[9]] = words[1], words[3]
    return found


def rows(process: int, table: str) -> Iterator[list[str]]:
    """Give the rows of a table of a process's network."""
    with suppress(OSError):
        yield from map(str.split, (PROC / str(process) / "net" / table).read_text().splitlines()[1:])


def at_rest(master: int) -> set[str]:
    """Return the inodes of the sockets that a process without a session may have open: those that listen, and UNIX sockets."""
    listening = {inode for inode, (_, state) in sockets(master).items() if state == LISTENING}
    return listening | {words[6] for words in rows(master, "unix")}


def opened(process: int) -> list[str]:
    """Return the inodes of a process's sockets. Raises OSError where that is not to be seen, as without the right to trace it."""
    found = []
    for link in (PROC / str(process) / "fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(str(link.readlink()))
    return [each.removeprefix("socket:[").rstrip("]") for each in found if each.startswith("socket:")]


def holds_session(process: int, rest: set[str]) -> bool:
    """Whether a client is connected to a process, or was, and it is not done yet; or that is not to be seen."""
    try:
        return not rest.issuperset(opened(process))
    except FileNotFoundError:
        return False  # it has ended
    except OSError:
        return True


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


def address_of(text: str) -> str:
    """Return an address that the kernel writes in words of four octets, each in the machine's order."""
    words = [bytes.fromhex(text[place : place + 8]) for place in range(0, len(text), 8)]
    octets = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    if not any(octets):
        return "::1" if len(octets) == 16 else "127.0.0.1"
    return socket.inet_ntop(socket.AF_INET6 if len(octets) == 16 else socket.AF_INET, octets)


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


def tell(command: tuple[str, ...]) -> None:
    """Have the files read; end with what the command ends with where it fails."""
    if shutil.which(command[0]) is None:
        sys.stderr.write(f"{command[0]} is not installed\n")
        sys.exit(NOT_FOUND)
    code = subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode
    if code != 0:
        sys.exit(code)


def main(programs: str, directory: str, pid_file: str, *command: str) -> None:
    """Tell it, and look."""
    master = master_of(Path(pid_file))
    watched = Watched(programs, directory, master) if master is not None else None
    tell(command)
    if watched is not None:
        watched.wait_for_old()
        watched.look()


if __name__ == "__main__":
    main(*sys.argv[1:])

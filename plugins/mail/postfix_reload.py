"""Reload of postfix that sees whether it was taken, and whether SMTP is answered afterwards.

Called as ``python postfix_reload.py PROGRAMS DIRECTORY PID_FILE COMMAND [ARGUMENT...]``; the command has postfix read its files.
It ends with 0, as ``postfix check`` does, for settings by which every smtpd ends as soon as it has started. So each port at which
SMTP was answered before has to be answered afterwards, and no process that serves SMTP may be older than the reload unless it
holds a session. What postfix logs of it is the complaint.
"""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

NOT_FOUND = 127
SECONDS = 10.0
"""Patience with a greeting that comes late."""
OLD_SECONDS = 5.0
"""Patience with processes that are to end; a tenth of a second is usual."""
ABSENT = 5.0
"""Seconds without a process for a port, after which it is dead; `ABSENT_AND_SAID` where postfix has logged why."""
ABSENT_AND_SAID = 1.0
PAUSE = 0.05
PROC = Path("/proc")
LISTENING = "0A"
"""State of a socket in ``/proc/net/tcp``."""
STAMP = re.compile(r"^.*?postfix\S*/(\w+)\[\d+\]: ")
"""Instant, host and process before a line of the log."""
LOGS = ("/var/log/mail.log", "/var/log/maillog")
"""Where syslog has what postfix logs, unless it logs to a file of its own."""


@dataclass(frozen=True)
class Listener:
    """A line of master.cf by which smtpd is started."""

    name: str
    port: int
    wrapped: bool
    """Whether TLS comes before the greeting."""


class Log:
    """What postfix logs from now on, where that is a file."""

    def __init__(self, programs: str, directory: str) -> None:
        own = ask(f"{programs}/postconf", "-c", directory, "-h", "maillog_file").strip()
        self._path = next((path for path in map(Path, (own,) if own else LOGS) if path.is_file()), None)
        self._begin = self._path.stat().st_size if self._path else 0

    def complaints(self) -> list[str]:
        """Return why processes have ended."""
        if self._path is None:
            return []
        with suppress(OSError), self._path.open(errors="replace") as file:
            file.seek(self._begin)
            return [STAMP.sub(r"\1: ", line.strip()) for line in file if "fatal: " in line or "panic: " in line]
        return []


def ask(*argv: str) -> str:
    """Return what a program prints; nothing where it fails."""
    try:
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""


def listeners(programs: str, directory: str) -> Iterator[Listener]:
    """Give the lines of master.cf that have a port (master(5))."""
    for line in ask(f"{programs}/postconf", "-c", directory, "-M").splitlines():
        name, kind, *words = line.split()
        if kind == "inet" and words[5:6] == ["smtpd"]:
            with suppress(OSError, ValueError):
                yield Listener(name, port_of(name.rpartition(":")[2]), "smtpd_tls_wrappermode=yes" in line)


def port_of(word: str) -> int:
    """Return a port, which may be written as the name of its protocol."""
    return int(word) if word.isdigit() else socket.getservbyname(word, "tcp")


def master_of(pid_file: Path) -> int | None:
    """Return the number of the master; None where it doesn't run."""
    try:
        return int(pid_file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def serving(master: int) -> dict[int, str]:
    """Return the master's children that serve SMTP, each with the name of its line (proc(5): the parent is the second field)."""
    found = {}
    for place in PROC.glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            words = (place / "cmdline").read_text().split("\0") if parent == master else []
        except (OSError, ValueError, IndexError):
            continue  # it has ended meanwhile
        if words[:1] == ["smtpd"] and "-n" in words:
            found[int(place.name)] = words[words.index("-n") + 1]
    return found


def sockets(process: int) -> dict[str, tuple[str, str]]:
    """Return the TCP sockets of a process's network by inode, each with local address and state, as the kernel writes them."""
    found = {}
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (PROC / str(process) / "net" / table).read_text().splitlines()[1:]:
                words = line.split()
                found[words[9]] = words[1], words[3]
    return found


def own_sockets(process: int) -> list[tuple[str, str]]:
    """Return those that a process has open. Raises OSError where that is not to be seen, as without the right to trace it."""
    known, found = sockets(process), []
    for link in (PROC / str(process) / "fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(known.get(str(link.readlink()).removeprefix("socket:[").rstrip("]"), ("", "")))
    return [each for each in found if each[1]]


def holds_session(process: int) -> bool:
    """Whether a client is connected to a process, or was, and it is not done yet; or that is not to be seen."""
    try:
        return any(state != LISTENING for _, state in own_sockets(process))
    except FileNotFoundError:
        return False  # it has ended
    except OSError:
        return True


def places(master: int) -> dict[int, str]:
    """Return the ports at which the master is seen to listen, each with an address by which it is reached from here."""
    found: dict[int, str] = {}
    try:
        opened = own_sockets(master)
    except OSError:
        return found
    for local, state in opened:
        host, _, port = local.partition(":")
        if state == LISTENING:
            found.setdefault(int(port, 16), address_of(host))
    return found


def address_of(text: str) -> str:
    """Return an address that the kernel writes in words of four octets, each in the machine's order."""
    words = [bytes.fromhex(text[place : place + 8]) for place in range(0, len(text), 8)]
    octets = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    if not any(octets):
        return "::1" if len(octets) == 16 else "127.0.0.1"
    return socket.inet_ntop(socket.AF_INET6 if len(octets) == 16 else socket.AF_INET, octets)


def greets(host: str, listener: Listener, is_dead: Callable[[], bool]) -> bool:
    """Connect, and wait for the first octet; a handshake that fails is no matter of this."""
    try:
        with socket.create_connection((host, listener.port), timeout=SECONDS) as plain:
            return answers(plain, listener.wrapped, is_dead)
    except OSError:
        return False


def answers(plain: socket.socket, wrapped: bool, is_dead: Callable[[], bool]) -> bool:
    """Wait for the first octet of a greeting, or of a handshake. One that comes too late is somebody's choice."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    if wrapped:
        with suppress(ssl.SSLWantReadError):
            unverified().wrap_bio(incoming, outgoing).do_handshake()
        plain.sendall(outgoing.read())
    plain.settimeout(PAUSE)
    deadline = time.monotonic() + SECONDS
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
        self._places = places(master)
        self.answered = [each for each in listeners(programs, directory) if self._greets(each, ABSENT_AND_SAID)]
        self.old = set(serving(master))

    def _greets(self, listener: Listener, patience: float) -> bool:
        host = self._places.get(listener.port)
        if host is None:
            return False
        last_seen = time.monotonic()

        def is_dead() -> bool:
            nonlocal last_seen
            if listener.name in serving(self._master).values():
                last_seen = time.monotonic()
            absent = time.monotonic() - last_seen
            return absent > patience or (absent > ABSENT_AND_SAID and bool(self._log.complaints()))

        return greets(host, listener, is_dead)

    def wait_for_old(self) -> None:
        """Wait until no process is older than the reload, but those with a session; end where that takes too long."""
        deadline = time.monotonic() + OLD_SECONDS
        while left := [each for each in self.old & set(serving(self._master)) if not holds_session(each)]:
            if time.monotonic() > deadline:
                sys.exit(
                    f"postfix has not taken the reload: {len(left)} of its processes are those from before\n{self.said}"
                )
            time.sleep(PAUSE)

    def look(self) -> None:
        """End where a port is no longer answered."""
        for each in self.answered:
            if not self._greets(each, ABSENT):
                sys.exit(self.said or f"postfix answers nobody any more at port {each.port}")

    @property
    def said(self) -> str:
        """What postfix has logged."""
        return "\n".join(self._log.complaints())


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

"""Connection before TLS, as a probe speaks on it."""

from __future__ import annotations

import errno
import socket
from typing import NoReturn

from agent.errors import ProbeFailed
from agent.system.deadline import remaining
from agent.system.text import printable

LONGEST = 8192
"""Octets. SMTP allows 512 a line (RFC 5321 section 4.5.3.1.5); an IMAP greeting with its capabilities may be longer."""
SHOWN = 200
"""Characters of a service's own words that an error shows."""


class PlainStream:
    """Connection in the clear: what a probe reads from it and writes to it before the handshake, until its deadline.

    Not an octet more is read than is asked for: what follows belongs to the handshake.
    """

    def __init__(self, plain: socket.socket, where: str, deadline: float) -> None:
        self._plain = plain
        self._where = where
        self._deadline = deadline

    @property
    def deadline(self) -> float:
        """The instant of `time.monotonic` at which reading and writing end with an error."""
        return self._deadline

    def write(self, octets: bytes) -> None:
        """Send `octets`."""
        self._plain.settimeout(remaining(self._deadline))
        self._plain.sendall(octets)

    def read(self, count: int) -> bytes:
        """Return exactly `count` octets."""
        found = b""
        while len(found) < count:
            self._plain.settimeout(remaining(self._deadline))
            found += self._some(self._plain.recv(count - len(found)))
        return found

    def read_until(self, ending: bytes, longest: int = LONGEST) -> bytes:
        """Return what comes up to `ending`, which is one octet, and with it; or what has come after `longest` octets."""
        found = b""
        while not found.endswith(ending) and len(found) < longest:
            self._plain.settimeout(remaining(self._deadline))
            waiting = self._some(self._plain.recv(longest - len(found), socket.MSG_PEEK))
            found += self._plain.recv(waiting.find(ending) + 1 or len(waiting))
        return found

    def read_line(self) -> str:
        """Return the next line, without its end."""
        return self.read_until(b"\n").decode("utf-8", "replace").rstrip("\r\n")

    def fail(self, reason: str) -> NoReturn:
        """Raise `ProbeFailed`: the endpoint gives no proper answer. `reason` is a clause."""
        raise ProbeFailed(self._where, reason)

    @staticmethod
    def _some(octets: bytes) -> bytes:
        if not octets:
            raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
        return octets


def shown(words: str) -> str:
    """Return a service's own words fit for terminals and pages: no control characters, not too long."""
    return printable(words, SHOWN) + ("..." if len(words) > SHOWN else "")

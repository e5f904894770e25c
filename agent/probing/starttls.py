"""STARTTLS of SMTP, IMAP and POP3: the dialogue in the clear before the handshake."""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Callable

from agent.contract.endpoint import StartTLS
from agent.errors import ProbeFailed
from agent.system.deadline import remaining
from agent.system.text import printable

LONGEST_LINE = 8192
"""Octets. SMTP allows 512 (RFC 5321 section 4.5.3.1.5); an IMAP greeting with its capabilities may be longer."""
MOST_LINES = 100
"""Lines of one answer."""
SHOWN = 200
"""Characters of a service's own line that an error shows."""
SMTP_LAST_LINE = re.compile(r"\d{3}( |$)")
"""Every line of an answer but the last has a hyphen after its code (RFC 5321 section 4.2.1)."""


def begin(plain: socket.socket, protocol: StartTLS, where: str, deadline: float) -> None:
    """Ask the service for TLS, until it waits for a handshake.

    Raises `ProbeFailed` with the line with which the service refuses, and `OSError` as sockets do.
    """
    dialogues = {StartTLS.SMTP: _begin_smtp, StartTLS.IMAP: _begin_imap, StartTLS.POP3: _begin_pop3}
    dialogues[protocol](_LineStream(plain, where, deadline))


def _begin_smtp(stream: _LineStream) -> None:
    """RFC 3207 section 4. The address literal is a name that no policy of a server refuses (RFC 5321 section 4.1.3)."""
    stream.expect("", "220", SMTP_LAST_LINE.match)
    stream.send("EHLO [127.0.0.1]")
    stream.expect("EHLO", "250", SMTP_LAST_LINE.match)
    stream.send("STARTTLS")
    stream.expect("STARTTLS", "220", SMTP_LAST_LINE.match)


def _begin_imap(stream: _LineStream) -> None:
    """RFC 3501 section 6.2.1. Untagged lines may precede the answer."""
    stream.expect("", "* OK")
    stream.send("a STARTTLS")
    stream.expect("STARTTLS", "a OK", lambda line: line.startswith("a "))


def _begin_pop3(stream: _LineStream) -> None:
    """RFC 2595 section 4."""
    stream.expect("", "+OK")
    stream.send("STLS")
    stream.expect("STLS", "+OK")


class _LineStream:
    """Lines sent to a service and read from it, until a deadline."""

    def __init__(self, plain: socket.socket, where: str, deadline: float) -> None:
        self._plain = plain
        self._where = where
        self._deadline = deadline

    def send(self, command: str) -> None:
        self._plain.settimeout(remaining(self._deadline))
        self._plain.sendall(command.encode("ascii") + b"\r\n")

    def expect(self, after: str, good: str, is_last: Callable[[str], object] = bool) -> None:
        """Read lines up to the one that is the answer; refuse it unless it begins with `good`."""
        for _ in range(MOST_LINES):
            line = self._line()
            if is_last(line):
                return self._accept(line, after, good)
        raise ProbeFailed(self._where, "the service does not end its answer")

    def _accept(self, line: str, after: str, good: str) -> None:
        if not line.upper().startswith(good.upper()):
            what = f"{after} was answered with" if after else "the service greets with"
            raise ProbeFailed(self._where, f'{what} "{_shown(line)}"')

    def _line(self) -> str:
        """Read one line and not an octet more: what follows the last answer belongs to the handshake."""
        line = b""
        while not line.endswith(b"\n") and len(line) < LONGEST_LINE:
            self._plain.settimeout(remaining(self._deadline))
            waiting = self._plain.recv(LONGEST_LINE, socket.MSG_PEEK)
            if not waiting:
                raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
            line += self._plain.recv(waiting.find(b"\n") + 1 or len(waiting))
        return line.decode("utf-8", "replace").rstrip("\r\n")


def _shown(line: str) -> str:
    """Return a service's line fit for terminals and pages: no control characters, not too long."""
    return printable(line, SHOWN) + ("..." if len(line) > SHOWN else "")

"""STARTTLS: the dialogue in the clear before the handshake, of the protocols that speak in lines, and which one it is."""

from __future__ import annotations

import re
from collections.abc import Callable

from agent.contract.endpoint import StartTLS
from agent.probing.plain_stream import PlainStream, shown

MOST_LINES = 100
"""Lines of one answer."""
LAST_LINE = re.compile(r"\d{3}( |$)")
"""Every line of an answer but the last has a hyphen after its code (RFC 5321 section 4.2.1)."""


def begin(plain: PlainStream, protocol: StartTLS, domain: str) -> None:
    """Ask the service for TLS, until it waits for a handshake. `domain`: whom a client asks for.

    Raises `ProbeFailed` with the words with which the service refuses, and `OSError` as sockets do.
    """
    from agent.probing.starttls_binary import begin_ldap, begin_mysql, begin_postgres
    from agent.probing.starttls_xmpp import begin_xmpp

    dialogues: dict[StartTLS, Callable[[PlainStream], None]] = {
        StartTLS.SMTP: _begin_smtp,
        StartTLS.IMAP: _begin_imap,
        StartTLS.POP3: _begin_pop3,
        StartTLS.FTP: _begin_ftp,
        StartTLS.NNTP: _begin_nntp,
        StartTLS.SIEVE: _begin_sieve,
        StartTLS.LDAP: begin_ldap,
        StartTLS.MYSQL: begin_mysql,
        StartTLS.POSTGRES: begin_postgres,
        StartTLS.XMPP: lambda stream: begin_xmpp(stream, "jabber:client", domain),
        StartTLS.XMPP_SERVER: lambda stream: begin_xmpp(stream, "jabber:server", domain),
    }
    dialogues[protocol](plain)


def _begin_smtp(plain: PlainStream) -> None:
    """RFC 3207 section 4. The address literal is a name that no policy of a server refuses (RFC 5321 section 4.1.3)."""
    _expect(plain, "", "220", LAST_LINE.match)
    _ask(plain, "EHLO [127.0.0.1]", "250", LAST_LINE.match)
    _ask(plain, "STARTTLS", "220", LAST_LINE.match)


def _begin_imap(plain: PlainStream) -> None:
    """RFC 3501 section 6.2.1. Untagged lines may precede the answer."""
    _expect(plain, "", "* OK")
    plain.write(b"a STARTTLS\r\n")
    _expect(plain, "STARTTLS", "a OK", lambda line: line.startswith("a "))


def _begin_pop3(plain: PlainStream) -> None:
    """RFC 2595 section 4."""
    _expect(plain, "", "+OK")
    _ask(plain, "STLS", "+OK")


def _begin_ftp(plain: PlainStream) -> None:
    """RFC 4217 section 4. A line in the midst of an answer may begin with anything (RFC 959 section 4.2)."""
    _expect(plain, "", "220", _LastOfReply())
    _ask(plain, "AUTH TLS", "234", _LastOfReply())


def _begin_nntp(plain: PlainStream) -> None:
    """RFC 4642 section 2.2. Both 200 and 201 are a greeting (RFC 3977 section 5.1)."""
    _expect(plain, "", "20")
    _ask(plain, "STARTTLS", "382")


def _begin_sieve(plain: PlainStream) -> None:
    """RFC 5804 section 2.2. The server greets with its capabilities, then OK."""
    _expect(plain, "", "OK", _ends_sieve)
    _ask(plain, "STARTTLS", "OK", _ends_sieve)


def _ends_sieve(line: str) -> bool:
    """Whether a line is an answer, and no capability, which is quoted."""
    return line.upper().startswith(("OK", "NO", "BYE"))


class _LastOfReply:
    """Whether a line is the last one of an answer: it has the code of the first one and no hyphen."""

    def __init__(self) -> None:
        self._code = ""

    def __call__(self, line: str) -> bool:
        self._code = self._code or line[:3]
        return line[:3] == self._code and line[3:4] != "-"


def _ask(plain: PlainStream, command: str, good: str, is_last: Callable[[str], object] = bool) -> None:
    """Send a command, and refuse its answer unless that begins with `good`."""
    plain.write(f"{command}\r\n".encode("ascii"))
    verb = command if command.startswith("AUTH") else command.partition(" ")[0]
    _expect(plain, verb, good, is_last)


def _expect(plain: PlainStream, after: str, good: str, is_last: Callable[[str], object] = bool) -> None:
    """Read lines up to the one that is the answer; refuse it unless it begins with `good`."""
    for _ in range(MOST_LINES):
        line = plain.read_line()
        if is_last(line):
            if not line.upper().startswith(good.upper()):
                plain.fail(f'{f"{after} was answered with" if after else "the service greets with"} "{shown(line)}"')
            return
    plain.fail("the service does not end its answer")

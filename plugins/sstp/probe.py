"""Probe of SSTP over the connection that presented the chain, without a user and without PPP."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass

from chainwright import Endpoint, ProbeFailed, TLSProbe
from plugins.sstp.packets import (
    END_OF_HEAD,
    Message,
    NotSSTP,
    first_line,
    impossible_call,
    is_welcome,
    read_message,
    request,
)

LARGEST_HEAD = 8192
"""Octets of an HTTP answer's head."""
AT_ONCE = 4096
SHOWN = 80
"""Characters of a server's own line that an error shows."""
DEAD = "SSTP is dead behind a good handshake: "
ALIVE = (Message.CALL_CONNECT_NAK, Message.CALL_DISCONNECT_ACK)
"""What a call for an unknown protocol is answered with by accel-ppp, and by sstp-server, which answers only the end of it."""


@dataclass(frozen=True)
class SSTPProbe(TLSProbe):
    """Asks for a call that no server can take, and expects the refusal of [MS-SSTP] section 3.3.5.2.2."""

    def above(self, stream: ssl.SSLSocket, endpoint: Endpoint, deadline: float) -> int | None:
        """Return nothing, as SSTP shows no generation. Raises `ProbeFailed`."""
        talk = _Talk(stream, str(endpoint), deadline)
        talk.send(request(endpoint.server_name or endpoint.host), "SSTP_DUPLEX_POST")
        rest = talk.welcome()
        talk.send(impossible_call(), "the call")
        answer = talk.message(rest)
        if answer not in ALIVE:
            talk.fail(f"the call was answered with {answer.name}")
        return None


class _Talk:
    def __init__(self, stream: ssl.SSLSocket, where: str, deadline: float) -> None:
        self._stream = stream
        self._where = where
        self._deadline = deadline
        self._asked = ""

    def fail(self, reason: str, cause: Exception | None = None) -> None:
        raise ProbeFailed(self._where, DEAD + reason) from cause

    def send(self, octets: bytes, what: str) -> None:
        self._asked = what
        try:
            self._stream.settimeout(self._left)
            self._stream.sendall(octets)
        except OSError as error:
            self._fail_without_answer(error)

    def welcome(self) -> bytes:
        """Read the head of the HTTP answer; return what came after it."""
        head = b""
        while END_OF_HEAD not in head:
            if len(head) > LARGEST_HEAD:
                self.fail(f"{self._asked} was answered with what is not HTTP")
            head += self._read()
        if not is_welcome(head):
            self.fail(f'{self._asked} was answered with "{_shown(first_line(head))}"')
        return head.partition(END_OF_HEAD)[2]

    def message(self, octets: bytes) -> Message:
        """Read a control packet, which begins with `octets`."""
        try:
            while (found := read_message(octets)) is None:
                octets += self._read()
        except NotSSTP as error:
            raise ProbeFailed(self._where, f"{DEAD}the call was answered with {error}") from error
        return found

    def _read(self) -> bytes:
        octets = b""
        try:
            self._stream.settimeout(self._left)
            octets = self._stream.recv(AT_ONCE)
        except OSError as error:
            self._fail_without_answer(error)
        if not octets:
            self.fail(f"the connection was closed instead of an answer to {self._asked}")
        return octets

    @property
    def _left(self) -> float:
        """Seconds; a socket takes zero for "do not wait at all"."""
        return max(self._deadline - time.monotonic(), 0.001)

    def _fail_without_answer(self, error: OSError) -> None:
        if isinstance(error, TimeoutError):
            self.fail(f"{self._asked} got no answer in time", error)
        self.fail(f"the connection was broken off instead of an answer to {self._asked}", error)


def _shown(line: bytes) -> str:
    """A stranger's line goes to terminals and pages."""
    text = "".join(each if each.isprintable() and each != '"' else "?" for each in line.decode("ascii", "replace"))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."

"""Probe of SSTP over the connection that presented the chain: as far as PPP, without a user.

A call is asked for, and a Configure-Request of LCP in it has to be answered: servers take calls while no frame gets through.
"""

from __future__ import annotations

import ssl
import time
from contextlib import suppress
from dataclasses import dataclass

from chainwright import Endpoint, NewSessionsFail, ProbeFailed, TLSProbe
from plugins.sstp.packets import (
    ANSWERS,
    END_OF_HEAD,
    LinkCode,
    Message,
    NotSSTP,
    Packet,
    call,
    configure_request,
    first_line,
    hang_up,
    is_welcome,
    link_code,
    read_packet,
    request,
)
from plugins.sstp.sessions import Room

LARGEST_HEAD = 8192
"""Octets of an HTTP answer's head."""
AT_ONCE = 4096
SHOWN = 80
"""Characters of a server's own line that an error shows."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds until the request is sent once more, each twice the last: sstp-server throws away what comes before its pppd runs."""
DEAD = "SSTP is dead behind a good handshake: "
ENDED = {
    Message.CALL_ABORT: "the call was taken and then broken off: pppd can't be started, or no address is left for a client",
    Message.CALL_DISCONNECT: (
        "PPP ended before it answered the LCP Configure-Request, as pppd does where /dev/ppp is missing (modprobe ppp_generic) "
        "or one of its options is wrong"
    ),
}


@dataclass(frozen=True)
class SSTPProbe(TLSProbe):
    """Makes a call, and expects an answer to the first frame of PPP."""

    room: Room | None = None
    """Where a server breaks off calls while it has no address left; None: not this one."""

    def above(self, stream: ssl.SSLSocket, endpoint: Endpoint, deadline: float) -> int | None:
        """Return nothing, as SSTP shows no generation. Raises `ProbeFailed`."""
        talk = _Talk(stream, str(endpoint), deadline)
        talk.send(request(endpoint.server_name or endpoint.host), "SSTP_DUPLEX_POST")
        talk.welcome()
        talk.send(call(), "the call")
        answer = talk.packet(deadline)
        if answer is None:
            talk.fail("the call got no answer in time")
        elif answer.message is not Message.CALL_CONNECT_ACK:
            talk.fail(f"the call was answered with {answer.message.name if answer.message else 'a frame of PPP'}")
        self._link(talk, deadline)
        with suppress(OSError):
            stream.sendall(hang_up())
        return None

    def _link(self, talk: _Talk, deadline: float) -> None:
        """Send the request until it is answered, after pauses and when the other end shows that it has begun."""
        pause = FIRST_PAUSE
        while time.monotonic() < deadline:
            talk.send(configure_request(), "the LCP Configure-Request")
            until, pause = min(time.monotonic() + pause, deadline), min(2 * pause, LONGEST_PAUSE)
            while (packet := talk.packet(until)) is not None:
                if packet.message in ENDED:
                    self._ended(talk, packet.message)
                    return
                code = link_code(packet.frame)
                if code in ANSWERS:
                    return
                if code is LinkCode.CONFIGURE_REQUEST:
                    break
        talk.fail_here(
            "the call was taken, and the LCP Configure-Request in it got no answer in time: no frame gets through"
        )

    def _ended(self, talk: _Talk, message: Message) -> None:
        if message is Message.CALL_ABORT and self.room and self.room.is_full():
            return  # to all those who have the addresses it carries frames
        talk.fail_here(ENDED[message])


class _Talk:
    def __init__(self, stream: ssl.SSLSocket, where: str, deadline: float) -> None:
        self._stream = stream
        self._where = where
        self._deadline = deadline
        self._asked = ""
        self._octets = b""

    def fail(self, reason: str, cause: Exception | None = None) -> None:
        raise ProbeFailed(self._where, DEAD + reason) from cause

    def fail_here(self, reason: str) -> None:
        """The server works as far as it was asked to begin this session, so others may go on."""
        raise NewSessionsFail(self._where, DEAD + reason)

    def send(self, octets: bytes, what: str) -> None:
        self._asked = what
        try:
            self._stream.settimeout(self._left(self._deadline))
            self._stream.sendall(octets)
        except OSError as error:
            self._fail_without_answer(error)

    def welcome(self) -> None:
        """Read the head of the HTTP answer."""
        while END_OF_HEAD not in self._octets:
            if len(self._octets) > LARGEST_HEAD:
                self.fail(f"{self._asked} was answered with what is not HTTP")
            if not self._read(self._deadline):
                self.fail(f"{self._asked} got no answer in time")
        head, _, self._octets = self._octets.partition(END_OF_HEAD)
        if not is_welcome(head):
            self.fail(f'{self._asked} was answered with "{_shown(first_line(head))}"')

    def packet(self, until: float) -> Packet | None:
        """Read a packet; None: there was none until then."""
        try:
            while (found := read_packet(self._octets)) is None:
                if not self._read(until):
                    return None
        except NotSSTP as error:
            raise ProbeFailed(self._where, f"{DEAD}{self._asked} was answered with {error}") from error
        self._octets = self._octets[found.length :]
        return found

    def _read(self, until: float) -> bool:
        """Whether something has come."""
        octets = b""
        try:
            self._stream.settimeout(self._left(until))
            octets = self._stream.recv(AT_ONCE)
        except TimeoutError:
            return False
        except OSError as error:
            self._fail_without_answer(error)
        if not octets:
            self.fail(f"the connection was closed instead of an answer to {self._asked}")
        self._octets += octets
        return True

    @staticmethod
    def _left(until: float) -> float:
        """Seconds; a socket takes zero for "do not wait at all"."""
        return max(until - time.monotonic(), 0.001)

    def _fail_without_answer(self, error: OSError) -> None:
        if isinstance(error, TimeoutError):
            self.fail(f"{self._asked} got no answer in time", error)
        self.fail(f"the connection was broken off instead of an answer to {self._asked}", error)


def _shown(line: bytes) -> str:
    """A stranger's line goes to terminals and pages."""
    text = "".join(each if each.isprintable() and each != '"' else "?" for each in line.decode("ascii", "replace"))
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."

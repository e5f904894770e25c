"""One question to a zone's own servers, and what they say: staggered over UDP, over TCP when it's truncated (RFC 7766).

dnspython builds and reads the messages. Its resolver takes a referral and an answer from another server's data for good.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

Server = tuple[str, int]
"""Address and port."""

PATIENCE = 2.5
"""Seconds after which servers that said nothing won't."""
STAGGER = 0.4
"""Seconds until the next server is asked too; most answer within a tenth."""
ROUNDS = 2
"""How often each is asked: a datagram may get lost."""
SLICE = 0.2
"""Seconds after which it's looked whether somebody wants to stop."""
PAYLOAD = 1232
"""Octets of an answer that pass every path unfragmented."""
LARGEST = 65535
LONGEST_WORDS = 200
"""Characters of a server's own words that are told."""


class Unanswered(Exception):
    """A question got no answer that says something; the text is the reason, as the end of a sentence."""

    def __init__(self, reason: str, *, rcode: dns.rcode.Rcode | None = None, lasting: bool = True) -> None:
        super().__init__(reason)
        self.rcode = rcode
        """What servers said instead; None: nothing at all."""
        self.lasting = lasting
        """Whether the next one who asks would fare alike; not so when it was merely too late."""
        self.zone: dns.name.Name | None = None
        """Whose servers they were; None: the resolvers."""
        self.hosts: tuple[str, ...] = ()
        """What the servers are called."""
        self.bogus = False
        """Whether resolvers answer once signatures needn't be good."""


@dataclass(frozen=True)
class Budget:
    """How long it may take, by `time.monotonic`."""

    deadline: float
    cancelled: Callable[[], bool]

    def within(self, seconds: float) -> float:
        """Return the instant in `seconds`, or the deadline if that's earlier. Raises `Unanswered` when it has come."""
        now = time.monotonic()
        if now >= self.deadline or self.cancelled():
            raise Unanswered("there was no time left for it", lasting=False)
        return min(now + seconds, self.deadline)


def make_query(name: dns.name.Name, kind: dns.rdatatype.RdataType, flags: int) -> dns.message.QueryMessage:
    """Return a question; `flags` are those of its header: RD for resolvers, none for authoritative servers."""
    return dns.message.make_query(name, kind, use_edns=0, payload=PAYLOAD, flags=flags)


def ask(
    query: dns.message.QueryMessage,
    servers: Sequence[Server],
    budget: Budget,
    useful: Callable[[dns.message.Message], bool],
    *,
    patience: float = PATIENCE,
) -> dns.message.Message:
    """Return the first useful reply of any server. Raises `Unanswered`, with the code that was said instead, if any."""
    with contextlib.closing(_Flight(query, servers, useful, budget, budget.within(patience))) as flight:
        reply = flight.run()
    if reply is None:
        raise Unanswered("there was no answer", lasting=time.monotonic() < budget.deadline and not budget.cancelled())
    if not useful(reply):
        raise Unanswered(what_was_said(reply), rcode=reply.rcode())
    return reply


def what_was_said(reply: dns.message.Message) -> str:
    """Return a reply that is of no use, as the end of a sentence."""
    if reply.errors:
        return "the answer can't be read"
    if reply.rcode() == dns.rcode.NOERROR:
        return "the answer was not from the zone's own data"
    told = "; ".join(each.text for each in reply.extended_errors() if each.text)[:LONGEST_WORDS]
    return f"the answer was {dns.rcode.to_text(reply.rcode())}" + (
        f' ("{told}")' if told.isprintable() and told else ""
    )


class _Flight:
    """One question under way to several servers."""

    def __init__(
        self,
        query: dns.message.QueryMessage,
        servers: Sequence[Server],
        useful: Callable[[dns.message.Message], bool],
        budget: Budget,
        until: float,
    ) -> None:
        self.query, self.useful, self.budget, self.until = query, useful, budget, until
        self.wire = query.to_wire()
        self.waiting = deque([*servers] * ROUNDS)
        self.selector = selectors.DefaultSelector()
        self.useless: dns.message.Message | None = None

    def run(self) -> dns.message.Message | None:
        """Return the first useful reply, else the last one, else None."""
        next_at = 0.0
        while (now := time.monotonic()) < self.until and not self.budget.cancelled():
            if self.waiting and (now >= next_at or not self.selector.get_map()):
                self._send(self.waiting.popleft())
                next_at = now + STAGGER
            elif not self.selector.get_map():
                break
            else:
                wake = min(self.until, now + SLICE, next_at if self.waiting else self.until)
                if (reply := self._listen(max(wake - now, 0))) is not None:
                    return reply
        return self.useless

    def close(self) -> None:
        for key in [*self.selector.get_map().values()]:
            self._drop(key)
        self.selector.close()

    def _send(self, server: Server) -> None:
        """Ask a server; one that can't be reached is passed over."""
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            family, _, _, _, address = socket.getaddrinfo(*server, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[
                0
            ]
            sock = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK))
            sock.connect(address)  # so that only this server's datagrams come in, and its refusals too
            sock.send(self.wire)
            self.selector.register(sock, selectors.EVENT_READ, server)
            stack.pop_all()

    def _listen(self, seconds: float) -> dns.message.Message | None:
        for key, _events in self.selector.select(seconds):
            reply = self._receive(key)
            if reply is None:
                continue
            if self.useful(reply):
                return reply
            self.useless = reply
            self._drop(key)
            self.waiting = deque(server for server in self.waiting if server != key.data)
        return None

    def _receive(self, key: selectors.SelectorKey) -> dns.message.Message | None:
        sock = key.fileobj
        assert isinstance(sock, socket.socket)
        try:
            reply = self._read(sock.recv(LARGEST))
            if reply is None or not reply.flags & dns.flags.TC:
                return reply
            self._drop(key)
            half = (self.until - time.monotonic()) / 2  # the others want to be asked too
            return self._read(dns_over_tcp(self.wire, key.data, half))
        except OSError:  # nobody listens there, or TCP is closed
            self._drop(key)
            return None

    def _read(self, wire: bytes) -> dns.message.Message | None:
        """Return the reply to our question, None if it is none."""
        try:
            reply = dns.message.from_wire(wire, ignore_trailing=True, continue_on_error=True)
            return reply if self.query.is_response(reply) else None
        except (dns.exception.DNSException, ValueError):
            return None

    def _drop(self, key: selectors.SelectorKey) -> None:
        assert isinstance(key.fileobj, socket.socket)
        if key.fileobj.fileno() >= 0:
            self.selector.unregister(key.fileobj)
            key.fileobj.close()


def dns_over_tcp(message: bytes, server: Server, seconds: float) -> bytes:
    """Return a server's reply to a DNS message sent over TCP (RFC 1035 section 4.2.2), as it came. Raises OSError.

    `server`: address and port. `seconds`: for all of it, however slowly the reply comes.
    """
    until = time.monotonic() + seconds
    with socket.create_connection(server, timeout=max(until - time.monotonic(), 0.01)) as sock:
        sock.sendall(struct.pack("!H", len(message)) + message)
        (length,) = struct.unpack("!H", _exactly(2, sock, until))
        return _exactly(length, sock, until)


def _exactly(count: int, sock: socket.socket, until: float) -> bytes:
    got = b""
    while len(got) < count:
        sock.settimeout(max(until - time.monotonic(), 0.01))
        more = sock.recv(count - len(got))
        if time.monotonic() >= until:
            raise TimeoutError
        if not more:
            raise ConnectionAbortedError
        got += more
    return got

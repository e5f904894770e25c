"""Dynamic updates: signed, sent over TCP, and what a server says to them."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.tsig
import dns.update

from chainwright import DnsContext, OrderCancelled, SourceError, TxtRecord
from plugins.rfc2136 import errors
from plugins.rfc2136.solver import Rfc2136

SECONDS = 10.0
"""For one server."""
RCODE = 3
"""Octet of a message whose lower half is the response code."""
Place = tuple[str, int]


class Updater:
    """Changes of one zone, by the settings of one table."""

    def __init__(self, settings: Rfc2136, context: DnsContext) -> None:
        self._settings = settings
        self._context = context
        self._key = dns.tsig.Key(settings.key_name, settings.secret.reveal(), settings.algorithm)

    def add(self, records: Sequence[TxtRecord]) -> None:
        """Add records beside those that are there. Raises `SourceError`."""
        self._change(records, add=True)

    def delete(self, records: Sequence[TxtRecord]) -> None:
        """Delete exactly these. Raises `SourceError`."""
        self._change(records, add=False)

    def _change(self, records: Sequence[TxtRecord], *, add: bool) -> None:
        for zone, those in _by_zone(records, self._settings.zone or "").items():
            failed: SourceError | None = None
            for host, place in self._places(zone or those[0].name):
                try:
                    self._send(host, place, zone or self._zone_at(place, those[0].name), those, add=add)
                    break
                except errors.UpdateUnsent as error:
                    failed = failed or error
                if self._context.cancelled:
                    raise OrderCancelled("dns")
            else:
                raise failed or errors.ServerUnknown(zone or those[0].name)

    def _places(self, zone: str) -> Iterator[tuple[str, Place]]:
        """Yield the servers with their addresses. Raises `UpdateUnsent` after them for one whose address can't be found."""
        unknown: SourceError | None = None
        for host in self._settings.server or self._primary(zone):
            try:
                found = socket.getaddrinfo(host, self._settings.port, type=socket.SOCK_STREAM)
            except OSError as error:
                unknown = unknown or errors.UpdateUnsent(host, error.strerror or "its address can't be found")
                continue
            yield from dict.fromkeys((host, (str(address[0]), int(address[1]))) for *_, address in found)
        if unknown:
            raise unknown

    @staticmethod
    def _primary(name: str) -> tuple[str, ...]:
        """Return the primary server that the SOA record of the zone of `name` names."""
        with suppress(dns.exception.DNSException, OSError):
            zone = dns.resolver.zone_for_name(name, lifetime=SECONDS)
            answer = dns.resolver.resolve(zone, "SOA", lifetime=SECONDS)
            return (answer[0].mname.to_text(omit_final_dot=True),)
        return ()

    @staticmethod
    def _zone_at(place: Place, name: str) -> str:
        """Return the longest zone that a server has and that holds `name`; the name itself where it says nothing."""
        found = dns.name.from_text(name)
        while found != dns.name.root:
            query = dns.message.make_query(found, dns.rdatatype.SOA, flags=0)
            with suppress(dns.exception.DNSException, OSError):
                reply = dns.query.tcp(query, place[0], SECONDS, port=place[1])
                if reply.flags & dns.flags.AA and any(each.rdtype == dns.rdatatype.SOA for each in reply.answer):
                    return found.to_text(omit_final_dot=True)
            found = found.parent()
        return name

    def _send(self, host: str, place: Place, zone: str, records: Sequence[TxtRecord], *, add: bool) -> None:
        message = dns.update.UpdateMessage(zone, keyring=self._key)
        for each in records:
            name = dns.name.from_text(each.name)
            if add:
                message.add(name, self._settings.ttl, "TXT", f'"{each.value}"')
            else:
                message.delete(name, "TXT", f'"{each.value}"')
        shown = host if host == place[0] else f"{host} ({place[0]})"
        try:
            self._judge(message, over_tcp(message.to_wire(), place), shown, zone, records)
        except OSError as error:
            why = "there was no answer" if isinstance(error, TimeoutError) else (error.strerror or "it hung up").lower()
            raise errors.UpdateUnsent(shown, why) from error

    def _judge(
        self,
        message: dns.update.UpdateMessage,
        wire: bytes,
        server: str,
        zone: str,
        records: Sequence[TxtRecord],
    ) -> None:
        """Raise what a server's answer means, unless it has made the change."""
        key, names = self._settings.key_name, sorted({each.name for each in records})
        try:
            reply = dns.message.from_wire(wire, keyring=message.keyring, request_mac=message.mac)
            rcode = reply.rcode()
        except dns.tsig.PeerBadKey as error:
            raise errors.KeyRefused(server, key, self._settings.algorithm, zone) from error
        except dns.tsig.PeerBadSignature as error:
            raise errors.SecretWrong(server, key) from error
        except dns.tsig.PeerBadTime as error:
            raise errors.ClockDiffers(server) from error
        except dns.exception.DNSException as error:  # Knot doesn't sign NOTAUTH
            rcode = dns.rcode.Rcode.make(wire[RCODE] & 15) if len(wire) > RCODE else dns.rcode.FORMERR
            if rcode == dns.rcode.NOERROR:
                raise errors.AnswerUnsigned(server, key) from error
        if rcode == dns.rcode.REFUSED:
            raise errors.UpdateRefused(server, key, names, zone)
        if rcode == dns.rcode.NOTAUTH:
            raise errors.ZoneNotServed(server, zone)
        if rcode == dns.rcode.NOTZONE:
            raise errors.NameOutside(server, names, zone)
        if rcode != dns.rcode.NOERROR:
            raise errors.UpdateFailed(server, dns.rcode.to_text(rcode), names, zone)


def over_tcp(wire: bytes, place: Place) -> bytes:
    """Return the answer to a message. Raises OSError."""
    until = time.monotonic() + SECONDS
    with socket.create_connection(place, timeout=SECONDS) as sock:
        sock.sendall(struct.pack("!H", len(wire)) + wire)
        (length,) = struct.unpack("!H", _exactly(2, sock, until))
        return _exactly(length, sock, until)


def _exactly(count: int, sock: socket.socket, until: float) -> bytes:
    got = b""
    while len(got) < count:
        sock.settimeout(max(until - time.monotonic(), 0.01))
        more = sock.recv(count - len(got))
        if not more or time.monotonic() >= until:
            raise ConnectionAbortedError
        got += more
    return got


def _by_zone(records: Iterable[TxtRecord], zone: str) -> dict[str, list[TxtRecord]]:
    found: dict[str, list[TxtRecord]] = {}
    for each in records:
        found.setdefault(zone or each.zone, []).append(each)
    return found

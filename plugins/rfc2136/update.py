"""Dynamic updates: signed, sent over TCP, and what a server says to them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.tsig
import dns.update

from chainwright import DnsContext, OrderCancelled, SourceError, TxtRecord, dns_over_tcp
from plugins.rfc2136 import errors
from plugins.rfc2136.solver import Rfc2136

SECONDS = 10.0
"""For one server."""
RCODE = 3
"""Octet of a message whose lower half is the response code."""
MOST = 200
"""Records of one update: with names as long as they may be, a DNS message (65,535 octets) holds that many."""
SILENT = "there was no answer"
Place = tuple[str, int]
T = TypeVar("T")


class Updater:
    """Changes of some zones in one call, by the settings of one table."""

    def __init__(self, settings: Rfc2136, context: DnsContext) -> None:
        self._settings = settings
        self._context = context
        self._key = dns.tsig.Key(settings.key_name, settings.secret.reveal(), settings.algorithm)
        self._away: dict[Place, errors.UpdateUnsent] = {}
        """Servers that can't be sent anything: they aren't waited for again."""

    def add(self, records: Sequence[TxtRecord]) -> None:
        """Add records beside those that are there. Raises `SourceError`."""
        self._change(records, add=True)

    def delete(self, records: Sequence[TxtRecord]) -> None:
        """Delete exactly these. Raises `SourceError`."""
        self._change(records, add=False)

    def _change(self, records: Sequence[TxtRecord], *, add: bool) -> None:
        """Send one update for each zone, several where it would be longer than a message may be."""
        zones: dict[str, list[TxtRecord]] = {}
        found: dict[str, str] = {}
        for each in records:
            zone = self._settings.zone or each.zone or found.get(each.name)
            if not zone:
                zone = found[each.name] = self._at_one(each.name, partial(self._zone_at, name=each.name))
            zones.setdefault(zone, []).append(each)
        for zone, those in zones.items():
            for first in range(0, len(those), MOST):
                self._at_one(zone, partial(self._send, zone=zone, records=those[first : first + MOST], add=add))

    def _at_one(self, zone: str, ask: Callable[[str, Place], T]) -> T:
        """Return what the first server says that can be reached. Raises `SourceError`."""
        failed: SourceError | None = None
        for host, place in self._places(zone):
            if self._context.cancelled:
                raise OrderCancelled("dns")
            try:
                return ask(host if host == place[0] else f"{host} ({place[0]})", place)
            except errors.UpdateUnsent as error:
                failed = failed or error
        raise failed or errors.ServerUnknown(zone)

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

    def _primary(self, name: str) -> tuple[str, ...]:
        """Return the primary server that the SOA record of the zone of `name` names."""
        with suppress(dns.exception.DNSException, OSError):
            zone = dns.resolver.zone_for_name(name, lifetime=self._seconds)
            answer = dns.resolver.resolve(zone, "SOA", lifetime=self._seconds)
            return (answer[0].mname.to_text(omit_final_dot=True),)
        return ()

    @property
    def _seconds(self) -> float:
        """Seconds for the next question: a silent server leaves time for the next one."""
        return min(SECONDS, self._context.seconds_left / 2)

    def _zone_at(self, server: str, place: Place, name: str) -> str:
        """Return the longest zone that a server has and that holds `name`; the name itself where it has none."""
        found = dns.name.from_text(name)
        while found != dns.name.root:
            query = dns.message.make_query(found, dns.rdatatype.SOA, flags=0)
            wire = self._exchange(server, place, query.to_wire())
            with suppress(dns.exception.DNSException):
                reply = dns.message.from_wire(wire)
                if reply.flags & dns.flags.AA and any(each.rdtype == dns.rdatatype.SOA for each in reply.answer):
                    return found.to_text(omit_final_dot=True)
            found = found.parent()
        return name

    def _exchange(self, server: str, place: Place, message: bytes) -> bytes:
        """Return the answer of a server. Raises `UpdateUnsent`, and from then on at once."""
        if place in self._away:
            raise self._away[place]
        try:
            if not self._seconds:
                raise TimeoutError
            return dns_over_tcp(message, place, self._seconds)
        except OSError as error:
            why = SILENT if isinstance(error, TimeoutError) else (error.strerror or "it hung up").lower()
            self._away[place] = errors.UpdateUnsent(server, why)
            raise self._away[place] from error

    def _send(self, server: str, place: Place, zone: str, records: Sequence[TxtRecord], *, add: bool) -> None:
        message = dns.update.UpdateMessage(zone, keyring=self._key)
        for each in records:
            name, value = dns.name.from_text(each.name), _in_quotes(each.value)
            if add:
                message.add(name, self._settings.ttl, "TXT", value)
            else:
                message.delete(name, "TXT", value)
        self._judge(message, self._exchange(server, place, message.to_wire()), server, zone, records)

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


def _in_quotes(value: str) -> str:
    """Return a value as a zone file has it (RFC 1035 section 5.1)."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

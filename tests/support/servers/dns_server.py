"""A small DNS on loopback: root, zones with servers of their own, and a resolver. What it is to say stands in dicts."""

from __future__ import annotations

import contextlib
import errno
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

Records = Mapping[str, Mapping[str, Iterable[str]]]
"""Name -> type -> what stands in a zone's file, for example ``{"gw.example.com": {"A": ["203.0.113.5"]}}``."""

TTL = 60
LARGEST_BEFORE_EDNS = 512


@dataclass
class Mood:
    """How a server treats one question, or all of them."""

    rcode: str = ""
    """Answer only that: ``SERVFAIL``."""
    silent: bool = False
    not_over_tcp: bool = False
    truncated: bool = False
    """Say over UDP that there is more."""
    garbage: bool = False
    wait: threading.Event | None = None
    """Answer when it is set."""
    lame: bool = False
    """Answer as if it were not the server's own zone."""
    explained: str = ""
    """Text of an Extended DNS Error (RFC 8914)."""
    bogus: bool = False
    """SERVFAIL unless signatures needn't be good (RFC 4035 section 3.2.2)."""
    broken_record: bool = False
    """Answer with a record that can't be read."""


@dataclass(frozen=True)
class Question:
    """What a server was asked."""

    name: str
    kind: str
    over: str


@dataclass
class Server:
    """One DNS server: over UDP and TCP, at `address` and `port`."""

    address: str
    port: int
    answer: Callable[[dns.message.Message], dns.message.Message]
    moods: dict[tuple[str, str], Mood] = field(default_factory=dict)
    """By name and type; ``*`` stands for every one."""
    asked: list[Question] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._servers = self._bound()
        self.port = self._servers[0].server_address[1]
        self._threads = [threading.Thread(target=each.serve_forever, args=(0.02,)) for each in self._servers]
        for each, thread in zip(self._servers, self._threads, strict=True):
            each.owner = self
            thread.start()

    def _bound(self) -> tuple[_Udp, _Tcp]:
        """Listen on one port for both; one that is free for UDP may be in use for TCP."""
        for _ in range(20):
            udp = _Udp((self.address, self.port), _OverUdp)
            try:
                return udp, _Tcp((self.address, udp.server_address[1]), _OverTcp)
            except OSError as error:
                udp.server_close()
                if self.port or error.errno != errno.EADDRINUSE:
                    raise
        raise OSError(errno.EADDRINUSE, "no port is free for both")

    def close(self) -> None:
        for mood in self.moods.values():
            if mood.wait:
                mood.wait.set()
        for each in self._servers:
            each.shutdown()
            each.server_close()
        for thread in self._threads:
            thread.join()

    def treat(self, name: str = "*", kind: str = "*", **mood: Any) -> Mood:
        """Set how questions are treated; return it, so that it can be changed."""
        self.moods[name, kind] = Mood(**mood)
        return self.moods[name, kind]

    def questions(self, name: str = "*", kind: str = "*") -> list[Question]:
        """Return what was asked, in its order."""
        return [each for each in self.asked if name in {"*", each.name} and kind in {"*", each.kind}]

    def reply_to(self, wire: bytes, over: str) -> bytes | None:
        """Return what to send back, None for nothing."""
        query = dns.message.from_wire(wire)
        (asked,) = query.question
        question = Question(asked.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(asked.rdtype), over)
        self.asked.append(question)
        mood = self._mood(question)
        if mood.wait and not mood.wait.wait(30):
            return None
        if mood.silent or (over == "tcp" and mood.not_over_tcp):
            return None
        if mood.garbage:
            return wire[:2] + b"\x80"
        return self._encoded(query, mood, over)

    def _mood(self, question: Question) -> Mood:
        ways = ((question.name, question.kind), (question.name, "*"), ("*", question.kind), ("*", "*"))
        return next((self.moods[way] for way in ways if way in self.moods), Mood())

    def _encoded(self, query: dns.message.Message, mood: Mood, over: str) -> bytes:
        checking = not query.flags & dns.flags.CD
        if mood.rcode or (mood.bogus and checking):
            reply = dns.message.make_response(query)
            reply.set_rcode(dns.rcode.from_text(mood.rcode or "SERVFAIL"))
            reply.flags |= dns.flags.AA
        elif over == "udp" and mood.truncated:
            reply = dns.message.make_response(query)
            reply.flags |= dns.flags.TC | dns.flags.AA
        else:
            reply = self.answer(query)
        if mood.lame:
            reply.flags &= ~dns.flags.AA
        if mood.explained:
            reply.use_edns(0, options=[dns.edns.EDEOption(dns.edns.EDECode.OTHER, mood.explained)])
        wire = reply.to_wire(max_size=65535)
        return _with_broken_record(wire) if mood.broken_record else wire


def _with_broken_record(wire: bytes) -> bytes:
    """Return the reply with nothing but a CAA record whose tag is longer than the record."""
    broken = b"\xc0\x0c" + struct.pack("!HHIH", dns.rdatatype.CAA, 1, TTL, 3) + b"\x00\x7fx"
    question = wire[12 : wire.index(b"\x00", 12) + 5]
    return wire[:6] + struct.pack("!HHH", 1, 0, 0) + question + broken


class _Udp(socketserver.ThreadingUDPServer):
    owner: Server

    def __init__(self, place: tuple[str, int], handler: type[socketserver.BaseRequestHandler]) -> None:
        self.address_family = _family(place)
        super().__init__(place, handler)


class _Tcp(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    owner: Server

    def __init__(self, place: tuple[str, int], handler: type[socketserver.BaseRequestHandler]) -> None:
        self.address_family = _family(place)
        super().__init__(place, handler)


def _family(place: tuple[str, int]) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in place[0] else socket.AF_INET


class _OverUdp(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        wire, sock = self.request
        reply = self.server.owner.reply_to(wire, "udp")
        if reply is not None:
            sock.sendto(reply, self.client_address)


class _OverTcp(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        (length,) = struct.unpack("!H", self.rfile.read(2))
        reply = self.server.owner.reply_to(self.rfile.read(length), "tcp")
        if reply is not None:
            self.wfile.write(struct.pack("!H", len(reply)) + reply)


# Who answers what


def own_data(zone: str, records: Records) -> Callable[[dns.message.Message], dns.message.Message]:
    """Answer as a zone's own server does: data, a referral, or that there is nothing (RFC 1034 section 4.3.2)."""
    origin = dns.name.from_text(zone)
    table = _table(records)
    cuts = {name for name, types in table.items() if "NS" in types and name != origin}

    def answer(query: dns.message.Message) -> dns.message.Message:
        reply = dns.message.make_response(query)
        (asked,) = query.question
        cut = next((each for each in cuts if asked.name.is_subdomain(each)), None)
        if not asked.name.is_subdomain(origin):
            reply.set_rcode(dns.rcode.REFUSED)
        elif cut is not None:
            reply.authority = _rrsets(cut, table[cut], "NS")
            for host in (each.target for each in reply.authority[0]):
                reply.additional += _rrsets(host, table.get(host, {}), "A")
        else:
            reply.flags |= dns.flags.AA
            _fill(reply, table, follow=False)
        return reply

    return answer


def what_it_has_heard(records: Records) -> Callable[[dns.message.Message], dns.message.Message]:
    """Answer as a resolver does: with aliases followed."""
    table = _table(records)

    def answer(query: dns.message.Message) -> dns.message.Message:
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        _fill(reply, table, follow=True)
        return reply

    return answer


def _fill(reply: dns.message.Message, table: Mapping[dns.name.Name, Mapping[str, list[str]]], *, follow: bool) -> None:
    name, kind = reply.question[0].name, dns.rdatatype.to_text(reply.question[0].rdtype)
    for _ in range(20):
        types = table.get(name)
        if types is None:
            below = any(each.is_subdomain(name) for each in table)
            reply.set_rcode(dns.rcode.NOERROR if below else dns.rcode.NXDOMAIN)
            return
        if "CNAME" not in types:
            reply.answer += _rrsets(name, types, kind)
            return
        reply.answer += _rrsets(name, types, "CNAME")
        if not follow:
            return
        name = dns.name.from_text(types["CNAME"][0])


def _table(records: Records) -> dict[dns.name.Name, dict[str, list[str]]]:
    return {
        dns.name.from_text(name): {kind: [*data] for kind, data in types.items()} for name, types in records.items()
    }


def _rrsets(name: dns.name.Name, types: Mapping[str, list[str]], kind: str) -> list[dns.rrset.RRset]:
    if kind not in types:
        return []
    return [dns.rrset.from_text_list(name, TTL, dns.rdataclass.IN, kind, types[kind])]


# A whole DNS


class Internet:
    """Root, zones and a resolver, on addresses of loopback and one port."""

    def __init__(
        self,
        zones: Mapping[str, Records],
        *,
        inside: Records | None = None,
        copies: int = 1,
        other_zones: Mapping[str, Records] | None = None,
        glue: bool = True,
    ) -> None:
        """Take what stands in each zone; delegations are added.

        `inside`: what the resolver says instead of the same; `copies`: servers a zone has; `other_zones`: what all but
        the first of them say; `glue`: whether a delegation tells addresses.
        """
        self._zones = {"": {}, **zones}
        self._others = {**self._zones, **(other_zones or {})}
        self._addresses = iter(f"127.0.0.{number}" for number in range(2, 250))
        self.servers: dict[str, list[Server]] = {}
        self._served: dict[str, dict[str, Mapping[str, Iterable[str]]]] = {}
        places = {zone: [next(self._addresses) for _ in range(copies)] for zone in self._zones}
        heard: dict[str, Mapping[str, Iterable[str]]] = {}
        for zone in self._zones:
            heard |= self._zones[zone] | _hosts(zone, places[zone])
        self._started(places, inside if inside is not None else heard, heard, glue=glue)

    def _started(self, places: Mapping[str, list[str]], inside: Records, heard: Records, *, glue: bool) -> None:
        """Start all servers on one port that is free everywhere."""
        self._heard = {**{name: types for name, types in heard.items() if name.startswith("ns")}, **inside}
        for _ in range(20):
            with contextlib.ExitStack() as stack:
                try:
                    self.resolver = Server("127.0.0.1", 0, what_it_has_heard(self._heard))
                    stack.callback(self.close)
                    self._start_zones(places, glue=glue)
                except OSError as error:
                    if error.errno != errno.EADDRINUSE:
                        raise
                else:
                    stack.pop_all()
                    return
        raise OSError(errno.EADDRINUSE, "no port is free everywhere")

    def _start_zones(self, places: Mapping[str, list[str]], *, glue: bool) -> None:
        self.port = self.resolver.port
        for zone, addresses in places.items():
            self.servers[zone] = []
            for number, address in enumerate(addresses):
                records = dict((self._others if number else self._zones)[zone])
                for child in (each for each in places if each and each != zone and _parent(each, places) == zone):
                    records |= delegation(child, places[child], glue=glue)
                self._served[address] = records
                self.servers[zone].append(Server(address, self.port, own_data(zone, records)))

    def change(self, zone: str, name: str, types: Mapping[str, Iterable[str]]) -> None:
        """Let all servers of a zone say something else of a name."""
        for server in self.servers[zone]:
            self._served[server.address][name] = types
            server.answer = own_data(zone, self._served[server.address])

    def tell_resolver(self, name: str, types: Mapping[str, Iterable[str]] | None) -> None:
        """Let the resolver say something else of a name; None: that there is none."""
        self._heard = {each: known for each, known in self._heard.items() if each != name}
        self._heard |= {name: types} if types is not None else {}
        self.resolver.answer = what_it_has_heard(self._heard)

    @property
    def roots(self) -> list[str]:
        return [each.address for each in self.servers[""]]

    @property
    def all(self) -> list[Server]:
        return [self.resolver, *(each for those in self.servers.values() for each in those)]

    def count(self) -> int:
        """Return how many questions were asked."""
        return sum(len(each.asked) for each in self.all)

    def close(self) -> None:
        for each in self.all:
            each.close()
        self.servers = {}


def _parent(zone: str, zones: Iterable[str]) -> str:
    return max((each for each in zones if each != zone and (not each or zone.endswith(f".{each}"))), key=len)


def _hosts(zone: str, addresses: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    return {f"ns{number}.{zone or 'root'}": {"A": [address]} for number, address in enumerate(addresses, 1)}


def delegation(zone: str, addresses: Iterable[str], *, glue: bool) -> dict[str, dict[str, list[str]]]:
    hosts = _hosts(zone, addresses)
    return {zone: {"NS": [f"{host}." for host in hosts]}} | (hosts if glue else {})


def closed_port() -> int:
    """Return a port of 127.0.0.1 at which nobody listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])

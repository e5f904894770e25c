"""What servers say that mean ill: it costs one answer, never more, and nothing of it gets to a terminal as it came."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import pytest

from agent.dns.addresses import is_of_another, is_of_one
from agent.dns.authority import Authority, Zone
from agent.dns.exchange import LONGEST_WORDS, Budget, Unanswered, what_was_said
from agent.dns.lookups import MOST_ADDRESSES, MOST_HOSTS, Lookups, NameServer
from agent.dns.memory import Memory
from agent.dns.resolvers import Resolvers
from agent.engine.tlsa_questions import ask_dns
from support.servers.dns_server import Internet, Records, Server, what_it_has_heard

NAME = dns.name.from_text("www.example.com")
LONG = ".".join(["a" * 49] * 5)
"""249 characters: a name, but none with a label before it."""
Opened = Callable[..., Server]


@pytest.fixture
def opened() -> Iterator[Opened]:
    """`opened(records)`: a resolver that knows these."""
    with ExitStack() as stack:

        def make(records: Records) -> Server:
            server = Server("127.0.0.1", 0, what_it_has_heard(records))
            stack.callback(server.close)
            return server

        yield make


def budget() -> Budget:
    return Budget(time.monotonic() + 20, lambda: False)


def lookups(server: Server) -> Lookups:
    return Lookups([(server.address, server.port)], port=server.port)


def test_a_referral_of_another_class_is_none():
    internet = Internet({"com": {}, "example.com": {"www.example.com": {"A": ["93.184.216.34"]}}})
    try:
        (server,) = internet.servers["com"]
        honest = server.answer

        def chaotic(query: dns.message.Message) -> dns.message.Message:
            reply = honest(query)
            reply.authority = [dns.rrset.from_text("example.com.", 60, "CH", "NS", "ns.example.com.")]
            return reply

        server.answer = chaotic
        memory = Memory()
        resolvers = Resolvers([(internet.resolver.address, internet.port)], memory)
        authority = Authority(resolvers, memory, roots=internet.roots, port=internet.port)
        with pytest.raises(Unanswered, match="the answer was not from the zone's own data"):
            authority.look_up(NAME, dns.rdatatype.A, budget())
    finally:
        internet.close()


def test_public_servers_refer_to_no_address_of_this_machine_or_its_network():
    public = Zone(NAME, (), (("93.184.216.34", 53),))
    inner = Zone(NAME, (), (("10.1.2.3", 53),))
    told = ["93.184.216.34", "10.0.0.1", "127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0", "224.0.0.251", "2606:4700::1"]
    assert [each for each in told if public.may_refer_to(each)] == ["93.184.216.34", "2606:4700::1"]
    assert [each for each in told if inner.may_refer_to(each)] == [*told[:4], told[-1]]
    assert [each for each in told if is_of_another(each)] == ["93.184.216.34", "10.0.0.1", "2606:4700::1"]
    assert [each for each in ("255.255.255.255", "ff02::fb", "::") if is_of_one(each)] == []


def test_of_thousands_of_servers_some_are_asked(opened: Opened):
    hosts = [f"ns{number:03}.example.com" for number in range(100)]
    zone = {"SOA": ["ns000.example.com. hostmaster.example.com. 1 2 3 4 5"], "NS": [f"{each}." for each in hosts]}
    addresses = {host: {"A": [f"192.0.2.{number}" for number in range(1, 101)]} for host in hosts}
    server = opened({"example.com": zone, **addresses})
    found = lookups(server).authoritative_servers("example.com", budget())
    assert len(found) == MOST_HOSTS * MOST_ADDRESSES
    assert len(server.asked) <= 2 + 2 * MOST_HOSTS


def test_addresses_of_nobody_are_not_asked(opened: Opened):
    zone = {"SOA": ["ns.example.com. hostmaster.example.com. 1 2 3 4 5"], "NS": ["ns.example.com."]}
    server = opened({"example.com": zone, "ns.example.com": {"A": ["0.0.0.0", "224.0.0.251", "255.255.255.255"]}})
    with pytest.raises(Unanswered) as caught:
        lookups(server).authoritative_servers("example.com", budget())
    assert str(caught.value) == "the addresses of the name servers of example.com can't be found"


def test_what_a_record_says_can_be_shown(opened: Opened):
    server = opened({"example.com": {"TXT": [r'"\027[2Jred\010line" "\009tab\000\200"']}})
    server.answer = _owned(server.answer)
    asked = NameServer("", server.address, server.port)
    found = lookups(server).ask_each("example.com", [asked], budget())
    assert found == {asked: frozenset({"\\x1b[2Jred\\nline\ttab\\x00\\xc8"})}


def _owned(answer: Callable[[dns.message.Message], dns.message.Message]):
    def changed(query: dns.message.Message) -> dns.message.Message:
        reply = answer(query)
        reply.flags |= dns.flags.AA
        return reply

    return changed


def test_words_of_a_server_are_cut():
    reply = dns.message.make_response(dns.message.make_query(NAME, "A"))
    reply.set_rcode(2)
    reply.use_edns(0, options=[dns.edns.EDEOption(0, "x" * 60_000)])
    assert what_was_said(reply) == f'the answer was SERVFAIL ("{"x" * LONGEST_WORDS}")'


def test_a_name_that_is_too_long_with_its_label_costs_nobody_else_a_look(opened: Opened):
    server = opened({"_443._tcp.www.example.com": {"TLSA": ["3 1 1 " + "ab" * 32]}})
    owner, why = f"_validation-persist.{LONG}", f"{LONG} is longer than a name in the DNS can be"
    for ask in (lookups(server).canonical_name, lookups(server).authoritative_servers):
        with pytest.raises(Unanswered) as caught:
            ask(owner, budget())
        assert str(caught.value) == f"_validation-persist.{why}"
    (said,) = lookups(server).ask_each(owner, [NameServer("", server.address, server.port)], budget()).values()
    assert str(said) == f"_validation-persist.{why}"
    owners = [f"_443._tcp.{LONG}", "_443._tcp.www.example.com"]
    first, second = ask_dns(owners, [(server.address, server.port)], lambda: False)
    assert first.problem == f"_443._tcp.{why}"
    assert len(second.records) == 1


@pytest.mark.parametrize("rcode", ["YXDOMAIN", "FORMERR", "NOTIMP", "REFUSED", "BADVERS", "NXRRSET"])
def test_each_code_of_a_resolver_is_an_answer(opened: Opened, rcode: str):
    server = opened({})
    server.treat(rcode=rcode)
    with pytest.raises(Unanswered) as caught:
        Resolvers([(server.address, server.port)], Memory(), patience=1).look_up(NAME, dns.rdatatype.A, budget())
    assert str(caught.value) in {f"the answer was {rcode}", "there was no answer"}

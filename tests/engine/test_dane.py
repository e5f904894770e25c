"""TLSA records are asked of DNS before another key is used, and compared with what is served."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import dns.flags
import dns.message
import pytest

from agent.engine.tlsa_questions import ask_dns
from agent.model.finding import Finding, Severity
from agent.model.kept_key import KeyRole
from agent.model.tlsa import TlsaLook, TlsaRow
from agent.operations.reissue import reissue
from agent.planning.kept_keys import is_free
from agent.report.dane import tlsa_rows
from support.appliances.deployed import Deployed
from support.servers.dns_server import Server, closed_port, what_it_has_heard

NAME = "mx.example.com"
OWNER = f"_25._tcp.{NAME}"


@dataclass
class SignedZone:
    """A resolver that verifies, and the records that it knows of one name."""

    authentic: bool = True
    records: list[str] = field(default_factory=list)
    alias: str = ""
    """Where the records are in truth."""

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        records = {self.alias or OWNER: {"TLSA": self.records}} if self.records else {}
        records |= {OWNER: {"CNAME": [f"{self.alias}."]}} if self.alias else {}
        reply = what_it_has_heard({NAME: {"A": ["192.0.2.1"]}, **records})(query)
        if self.authentic and query.flags & dns.flags.AD:
            reply.flags |= dns.flags.AD
        return reply


@pytest.fixture
def zone() -> SignedZone:
    return SignedZone()


@pytest.fixture
def resolver(zone: SignedZone) -> Iterator[Server]:
    server = Server("127.0.0.1", 0, zone.answer)
    yield server
    server.close()


@pytest.fixture
def mx(appliance: Deployed, resolver: Server) -> Deployed:
    appliance.drop_in("mx")
    configure(appliance, resolver)
    return appliance


def configure(appliance: Deployed, resolver: Server, keeping: str = 'key = "keep"\nkeep_for = "1 renewal"') -> None:
    appliance.settings(
        f'hostname = "gw"\n[dane]\nresolvers = "127.0.0.1:{resolver.port}"\n'
        f'[modules.mx]\ndomain = "{NAME}"\n{keeping}\n'
    )
    appliance.apply()


def all_rows(appliance: Deployed) -> list[TlsaRow]:
    with appliance.store() as store:
        return list(tlsa_rows(store, store.modules.needs()))


def rows(appliance: Deployed) -> dict[KeyRole, str]:
    """Return the record of each key."""
    return {each.key: each.record for each in all_rows(appliance)}


def look(appliance: Deployed) -> TlsaLook:
    with appliance.store() as store:
        return store.tlsa.all()[OWNER]


def asked_again(appliance: Deployed, *, hours: int = 7) -> None:
    """Have DNS asked once more."""
    appliance.clock.advance(hours=hours)
    appliance.apply()


def found(appliance: Deployed) -> dict[str, Finding]:
    with appliance.store() as store:
        return {each.problem.code: each for each in store.conditions.of("DANE")}


def renewed(appliance: Deployed) -> str:
    """Renew, and return the record of the new chain's key."""
    before = appliance.chains("mx")
    appliance.renew()
    appliance.apply()
    assert appliance.chains("mx") != before
    return rows(appliance)[KeyRole.PRESENT]


def test_without_records_the_next_key_is_used_when_the_present_one_s_time_is_over(mx):
    first, following = rows(mx)[KeyRole.PRESENT], rows(mx)[KeyRole.NEXT]
    assert [renewed(mx) for _ in range(2)] == [first, following]
    assert found(mx) == {}


def test_the_next_key_is_not_used_before_dns_has_it_and_no_renewal_waits_for_that(mx, zone):
    first, following = rows(mx)[KeyRole.PRESENT], rows(mx)[KeyRole.NEXT]
    zone.records = [first]
    asked_again(mx)
    assert {code: each.severity for code, each in found(mx).items()} == {"status.tlsa_next": Severity.NOTICE}
    assert [renewed(mx) for _ in range(3)] == [first, first, first]
    (finding,) = found(mx).values()
    assert finding.severity is Severity.WARNING
    assert finding.problem.cause == (
        f"The next key of mx/default is to be used with the next renewal, and no TLSA record at {OWNER} names it."
    )
    assert finding.problem.fix == f"Publish: {OWNER}. IN TLSA {following}, beside those that are there"
    assert finding.problem.effect == "The present key is kept until DNS has it."
    zone.records = [first, following]
    asked_again(mx)
    assert found(mx) == {}
    assert renewed(mx) == following
    assert found(mx)["status.tlsa_next"].severity is Severity.NOTICE, "and so on with the key after that"


def test_the_next_key_waits_until_nobody_remembers_dns_without_it(mx, zone):
    first, following = rows(mx)[KeyRole.PRESENT], rows(mx)[KeyRole.NEXT]
    zone.records = [first]
    asked_again(mx)
    assert renewed(mx) == first
    mx.clock.advance(days=60)
    zone.records = [first, following]
    mx.apply()  # DNS is asked, and the renewal comes in a day
    with mx.store() as store, store.write():
        store.database.execute("update tlsa set ttl = 86400")
    mx.clock.advance(days=1)
    mx.apply()
    assert rows(mx)[KeyRole.PRESENT] == first


def test_a_next_key_that_can_t_be_opened_is_made_again_and_not_used_before_dns_has_it(mx, zone):
    first, following = rows(mx)[KeyRole.PRESENT], rows(mx)[KeyRole.NEXT]
    zone.records = [first, following]
    asked_again(mx)
    assert renewed(mx) == first
    with mx.store() as store, store.write():
        store.database.execute("update kept_keys set sealed_key = x'00' where role = 'next'")
    assert renewed(mx) == first
    replaced = rows(mx)[KeyRole.NEXT]
    assert replaced != following
    assert renewed(mx) == first
    zone.records = [first, replaced]
    asked_again(mx)
    assert renewed(mx) == replaced


def test_records_that_are_gone_hold_a_key_as_long_as_others_remember_them(mx, zone):
    zone.records = [rows(mx)[KeyRole.PRESENT]]
    asked_again(mx)
    zone.records = []
    asked_again(mx)
    assert (look(mx).records, look(mx).ttl) == ((), 60)
    assert not is_free(None, [look(mx)], [], mx.clock())
    assert is_free(None, [look(mx)], [], mx.clock() + timedelta(minutes=2))


def test_what_nobody_vouches_for_does_not_change_at_once_what_was_vouched_for(mx, zone):
    zone.records = [rows(mx)[KeyRole.PRESENT]]
    asked_again(mx)
    zone.authentic, zone.records = False, []
    asked_again(mx)
    assert not look(mx).known_to_all(mx.clock() + timedelta(days=2) - timedelta(minutes=1))
    assert look(mx).known_to_all(mx.clock() + timedelta(days=2))


@pytest.mark.parametrize(("address", "remote"), [("127.0.0.1", ""), ("::1", ""), ("192.0.2.53", "192.0.2.53")])
def test_answers_say_whether_they_come_from_off_this_machine(resolver, address: str, remote: str):
    servers = [("127.0.0.1", resolver.port), (address, resolver.port)]
    assert [each.resolver for each in ask_dns([OWNER], servers, lambda: False)] == [remote]


def test_a_zone_that_is_silent_keeps_nobody_else_from_being_asked(resolver):
    names = ["_25._tcp.a.dead.example", "_25._tcp.b.dead.example", OWNER]
    resolver.treat(names[0], "TLSA", silent=True)
    answers = ask_dns(names, [("127.0.0.1", resolver.port)], lambda: False)
    assert [each.problem for each in answers] == ["there was no answer", "there was no answer", ""]
    assert not resolver.questions(names[1]), "one of its domain is enough"


def test_resolvers_that_are_silent_are_not_asked_again_for_each_name():
    asked = ask_dns([OWNER, "_25._tcp.example.net"], [("127.0.0.1", closed_port())], lambda: False)
    assert [each.problem for each in asked] == ["there was no answer"] * 2


def test_names_for_which_there_is_no_time_are_left_for_the_next_time(resolver):
    assert ask_dns([OWNER], [("127.0.0.1", resolver.port)], lambda: True) == []


def test_five_hundred_records_are_all_read(mx, zone):
    present = rows(mx)[KeyRole.PRESENT]
    zone.records = [present, *(f"2 1 1 {number:064x}" for number in range(499))]
    asked_again(mx)
    assert len(look(mx).records or ()) == 500
    assert set(found(mx)) == {"status.tlsa_next"}


def test_a_key_that_was_given_up_is_not_kept_for_dns(mx, zone):
    first, following = rows(mx)[KeyRole.PRESENT], rows(mx)[KeyRole.NEXT]
    zone.records = [first]
    asked_again(mx)
    mx.change(reissue, new_key=True)
    mx.apply()
    assert rows(mx)[KeyRole.PRESENT] == following
    assert found(mx)["status.tlsa_mismatch"].severity is Severity.ERROR


def test_records_that_no_resolver_vouches_for_are_said_to_be_no_dane(mx, zone):
    zone.authentic, zone.records = False, [f"3 1 1 {'ab' * 32}"]
    asked_again(mx)
    assert {code: each.severity for code, each in found(mx).items()} == {
        "status.dane_not_in_effect": Severity.NOTICE,
        "status.tlsa_mismatch": Severity.WARNING,
    }
    assert not look(mx).authenticated


def test_a_resolver_that_is_silent_keeps_what_is_known(mx, zone, resolver):
    zone.records = [rows(mx)[KeyRole.PRESENT]]
    asked_again(mx)
    known = look(mx)
    resolver.treat(rcode="SERVFAIL")
    asked_again(mx)
    assert look(mx).records == known.records
    assert found(mx)["status.tlsa_not_asked"].problem.cause == (
        f"DNS could not be asked for the TLSA records at {OWNER}: the answer was SERVFAIL."
    )
    resolver.moods.clear()
    asked_again(mx)
    assert "status.tlsa_not_asked" not in found(mx)


def test_a_key_is_kept_while_it_is_not_known_what_dns_has(mx, resolver):
    resolver.treat(rcode="SERVFAIL")
    with mx.store() as store, store.write():
        store.database.execute("delete from tlsa")
    mx.apply()
    first = rows(mx)[KeyRole.PRESENT]
    assert [renewed(mx) for _ in range(3)] == [first, first, first]


def test_dns_is_asked_once_in_a_while_and_for_each_name_once(mx, resolver):
    asked = len(resolver.questions(OWNER, "TLSA"))
    assert asked == 1
    mx.apply()
    mx.clock.advance(minutes=10)
    mx.apply()
    assert len(resolver.questions(OWNER, "TLSA")) == asked
    mx.clock.advance(minutes=10)
    mx.apply()
    assert len(resolver.questions(OWNER, "TLSA")) == asked + 1


def test_boot_asks_nobody(mx, resolver):
    asked = len(resolver.asked)
    mx.clock.advance(days=1)
    mx.engine().boot()
    assert len(resolver.asked) == asked


def test_who_doesn_t_want_dns_to_be_asked_isn_t_waited_for(mx, resolver):
    mx.settings(f'[dane]\ncheck = false\n[modules.mx]\ndomain = "{NAME}"\nkey = "keep"\nkeep_for = "1 renewal"\n')
    asked = len(resolver.asked)
    following = rows(mx)[KeyRole.NEXT]
    assert [renewed(mx) for _ in range(2)][1] == following
    assert len(resolver.asked) == asked
    with mx.store() as store:
        assert store.tlsa.all() == {}


def test_a_module_with_new_keys_is_told_that_its_record_ends_with_the_next_renewal(mx, zone, resolver):
    configure(mx, resolver, "")
    zone.records = [rows(mx)[KeyRole.PRESENT]]
    asked_again(mx)
    (finding,) = found(mx).values()
    assert (finding.problem.code, finding.severity) == ("status.tlsa_new_keys", Severity.WARNING)
    assert finding.problem.fix == 'Set key = "keep" in [modules.mx]'
    assert KeyRole.NEXT not in rows(mx)


def test_an_alias_is_followed(mx, zone):
    zone.alias = "_dane.example.net"
    zone.records = [rows(mx)[KeyRole.PRESENT]]
    asked_again(mx)
    assert [str(each) for each in look(mx).records or ()] == zone.records
    assert [each.published for each in all_rows(mx)] == [True, False]


def test_a_pass_looks_at_the_policies_of_the_domains_that_are_named(mx, resolver, monkeypatch):
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{closed_port()}")  # nothing is asked beyond this machine
    configure(mx, resolver, 'policies = ["example.invalid"]')
    mx.apply()
    with mx.store() as store:
        (finding,) = store.conditions.of("MTA-STS")
    assert (finding.subject, finding.problem.code) == ("mx/example.invalid", "status.mta_sts_not_had")
    assert finding.severity is Severity.NOTICE
    assert finding.problem.cause.endswith("/.well-known/mta-sts.txt: connection refused.")

"""Records that prove names: made and seen at real servers, removed after a crash at each step, told of where they can't be."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent.config.loading import load
from agent.contract.dns_solver import TxtRecord
from agent.dns.lookups import Lookups
from agent.dns.solver_context import SolverContext
from agent.engine.dns_leftovers import of_left_records
from agent.engine.dns_publishing import StoredDns01
from agent.engine.write_queue import DirectWriter
from agent.errors import Problem, SourceError
from agent.model.dns_record import DnsRecord
from agent.sources import BUILT_IN
from agent.store import Store
from agent.testing.appliance import Appliance
from support.servers.zones import BIND9, Zones

ONE, TWO = "A" * 43, "B" * 43
KEY = ("request", "acme")


@dataclass
class Solving(Appliance):
    """An appliance whose table ``[dns.home]`` changes the zones of the tests' servers."""

    def configure(self, zones: Zones, **tables: Any) -> None:
        home = {
            "plugin": "rfc2136",
            "server": BIND9,
            "port": zones.port,
            "key_name": zones.key.name,
            "secret": zones.key.secret,
            "check_servers": [zones.bind9.place, zones.knot.place],
        }
        self.settings({"dns": {"home": home} | tables, "dns01": {"resolvers": [zones.place]}})
        self.layout.settings.chmod(0o600)

    def dns01(self, store: Store, zones: Zones, *, seconds: float = 20, writer: Any = None) -> StoredDns01:
        solvers = load(self.layout, BUILT_IN)[0].dns_solvers
        lookups = Lookups([(BIND9, zones.port)], port=zones.port)
        context = SolverContext(self.layout.rooted, self.clock)
        return StoredDns01(
            solvers, lookups, context, writer or DirectWriter(store), KEY, lambda: self.clock() + DELAY, seconds
        )


DELAY = timedelta(minutes=10)


@pytest.fixture
def box(zones: Zones) -> Iterator[Solving]:
    with Solving.make() as made:
        made.configure(zones)
        with Store.open(made.layout):
            pass
        yield made


def proofs(dns01: StoredDns01, domain: str) -> list[TxtRecord]:
    where = dns01.where(domain)
    return [TxtRecord(name=where.name, zone=where.zone, domain=domain, value=value) for value in (ONE, TWO)]


def test_values_are_kept_made_at_once_seen_at_every_server_and_removed(zones: Zones, box: Solving):
    zone = zones.add("records-all.test")
    with box.store() as store:
        dns01 = box.dns01(store, zones)
        records = proofs(dns01, f"www.{zone}")
        assert (records[0].name, records[0].zone) == (f"_acme-challenge.www.{zone}", zone)
        dns01.publish(records)
        assert zones.bind9.txt(records[0].name) == zones.knot.txt(records[0].name) == [ONE, TWO]
        assert [(each.value, each.order) for each in store.dns_records.all()] == [(ONE, KEY), (TWO, KEY)]
        dns01.withdraw(records)
        assert store.dns_records.all() == []
    assert zones.bind9.txt(records[0].name) == []


def test_a_record_is_written_where_the_alias_of_its_name_leads(zones: Zones, box: Solving):
    zone, proving = zones.add("records-alias.test"), zones.add("records-proving.test")
    zones.alias(f"_acme-challenge.www.{zone}", f"www.{proving}")
    with box.store() as store:
        dns01 = box.dns01(store, zones)
        found = dns01.where(f"www.{zone}")
        assert (found.name, found.zone, found.domain) == (f"www.{proving}", proving, f"www.{zone}")
        assert dns01.solver_for(f"www.{zone}") == "home"


def test_a_server_that_does_not_follow_is_named(zones: Zones, box: Solving):
    zone = zones.add("records-behind.test")
    with box.store() as store, zones.knot.frozen(zone):
        dns01 = box.dns01(store, zones, seconds=1)
        with pytest.raises(SourceError) as raised:
            dns01.publish(proofs(dns01, zone))
        error = raised.value
        assert error.problem.lines() == [
            (
                f"[dns.home]: The record _acme-challenge.{zone}, which proves {zone}, was made, and after 1 s is seen at 1 of 2, "
                f"not at {zones.knot.place}: the record is not there."
            ),
            (
                "Look whether check_servers in [dns.home] are servers of its zone, and whether they follow its changes, "
                "then: chainwright renew"
            ),
        ]
        assert error.failed == {zone, f"*.{zone}"}
        assert error.retry_at is not None


def test_a_command_that_says_yes_and_does_nothing_is_found_out(zones: Zones, box: Solving):
    zone = zones.add("records-nothing.test", secondary=False)
    home = {"plugin": "command", "convention": "lego", "command": ["true"], "check_servers": [zones.bind9.place]}
    box.configure(zones, home=home)
    with box.store() as store:
        dns01 = box.dns01(store, zones, seconds=1)
        with pytest.raises(SourceError) as raised:
            dns01.publish(proofs(dns01, zone))
    assert raised.value.problem.lines() == [
        (
            f"[dns.home]: The record _acme-challenge.{zone}, which proves {zone}, was made, and after 1 s is seen at 0 of 1, "
            f"not at {zones.bind9.place}: the record is not there."
        ),
        (
            "Look whether [dns.home] changes the zone that holds this name, as check_servers have it, "
            "then: chainwright renew"
        ),
    ]


def test_a_secondary_that_is_told_late_is_waited_for_and_that_is_said(zones: Zones, box: Solving):
    """BIND tells secondaries of the first change at once, and of each further one after five seconds."""
    zone = zones.add("records-late.test", notify_delay=5)
    said: list[str] = []
    with box.store() as store:
        dns01 = box.dns01(store, zones)
        dns01 = replace(dns01, context=replace(dns01.context, progress=said.append))
        for host in ("first", "second"):
            dns01.publish(proofs(dns01, f"{host}.{zone}"))
    name = f"_acme-challenge.second.{zone}"
    assert zones.knot.txt(name) == [ONE, TWO]
    assert f"waiting for {name} at {zones.knot.place}: the record is not there; seen at 1 of 2" in said


def test_names_whose_records_are_not_the_ones_that_are_missing_do_not_fail(zones: Zones, box: Solving):
    zone = zones.add("records-one-of.test")
    zones.alias(f"_acme-challenge.bad.{zone}", f"elsewhere.{zone}")
    with box.store() as store:
        dns01 = box.dns01(store, zones)
        direct = TxtRecord(name=f"_acme-challenge.bad.{zone}", zone=zone, domain=f"bad.{zone}", value=ONE)
        with pytest.raises(SourceError) as raised:
            dns01.publish([*proofs(dns01, f"good.{zone}"), direct])
    assert raised.value.failed == {f"bad.{zone}", f"*.bad.{zone}"}


def test_a_name_that_no_table_serves_is_told(zones: Zones, box: Solving):
    zone = zones.add("records-nobody.test")
    box.configure(zones, home={"plugin": "rfc2136", "zones": ["elsewhere.test"], "key_name": "a", "secret": "YQ=="})
    with box.store() as store:
        dns01 = box.dns01(store, zones)
        assert dns01.solver_for(zone) is None
        with pytest.raises(SourceError) as raised:
            dns01.publish(proofs(dns01, zone))
        assert raised.value.problem.cause == (
            f"No [dns.NAME] table serves _acme-challenge.{zone}, where the record that proves {zone} is to be written."
        )
        assert store.dns_records.all() == []


def test_a_zone_that_nobody_knows_is_told(zones: Zones, box: Solving):
    with box.store() as store, pytest.raises(SourceError) as raised:
        box.dns01(store, zones).where("www.nowhere-at-all.test")
    assert raised.value.problem.cause == (
        "Where the record _acme-challenge.www.nowhere-at-all.test is to be written can't be found out: "
        "no zone holds it that this network's resolvers know."
    )


class Dying(DirectWriter):
    """A writer whose process is killed before or after one of its writes."""

    def __init__(self, store: Store, at: int, *, after: bool) -> None:
        super().__init__(store)
        self._left, self._after = at, after

    def write(self, work: Callable[[Store], Any]) -> Any:
        if self._left == 0 and not self._after:
            os.kill(os.getpid(), signal.SIGKILL)
        done = super().write(work)
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1
        return done


@pytest.mark.parametrize(("at", "after", "left"), [(0, False, 0), (0, True, 2), (1, False, 2), (1, True, 0)])
def test_nothing_is_left_in_the_end_by_a_process_that_is_killed(
    zones: Zones, box: Solving, at: int, after: bool, left: int
):
    """It dies before the rows are kept, before the records are made, after they were removed, and after they were forgotten."""
    zone = zones.add(f"records-kill-{at}-{after}.test".lower())
    name = f"_acme-challenge.{zone}"
    child = os.fork()
    if child == 0:  # a process of its own, which never returns from here
        with box.store() as store:
            dns01 = box.dns01(store, zones, writer=Dying(store, at, after=after))
            records = proofs(dns01, zone)
            dns01.publish(records)
            dns01.withdraw(records)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    with box.store() as store:
        assert len(store.dns_records.all()) == left
    box.apply()
    with box.store() as store:
        assert store.dns_records.all() == []
    assert zones.bind9.txt(name) == []


def test_what_was_seen_and_not_withdrawn_is_removed_by_the_next_pass_and_foreign_values_stay(
    zones: Zones, box: Solving
):
    zone = zones.add("records-left.test")
    name = f"_acme-challenge.{zone}"
    zones.bind9.update(zone, ("add", name, "TXT", "foreign"))
    with box.store() as store:
        dns01 = box.dns01(store, zones)
        dns01.publish(proofs(dns01, zone))
    assert len(zones.bind9.txt(name)) == 3
    box.apply()
    assert zones.bind9.txt(name) == ["foreign"]


def findings(box: Solving) -> list[tuple[str, str]]:
    return [(each["title"], each["problem"]["cause"]) for each in box.status()["findings"] if "record" in each["title"]]


def test_a_removal_that_fails_is_a_finding_and_is_tried_again_after_a_pause(zones: Zones, box: Solving):
    zone = zones.add("records-refused.test")
    name = f"_acme-challenge.{zone}"
    with box.store() as store:
        dns01 = box.dns01(store, zones)
        dns01.publish(proofs(dns01, zone))
    with zones.bind9.frozen(zone):
        box.apply()
        box.apply()
    assert {cause for _, cause in findings(box)} == {
        f'The DNS server refuses to let the key "agent" change {name} in the zone {zone}.'
    }
    box.apply()
    assert len(zones.bind9.txt(name)) == 2
    box.clock.offset += DELAY
    box.apply()
    assert zones.bind9.txt(name) == []
    box.apply()
    assert findings(box) == []


def test_a_record_whose_table_is_gone_is_a_finding_until_somebody_has_removed_it(zones: Zones, box: Solving):
    zone = zones.add("records-gone.test", secondary=False)
    name = f"_acme-challenge.{zone}"
    with box.store() as store:
        dns01 = box.dns01(store, zones, seconds=1)
        with pytest.raises(SourceError):  # Knot doesn't have this zone
            dns01.publish(proofs(dns01, zone)[:1])
    box.settings({"dns01": {"resolvers": [zones.place]}})
    box.apply()
    assert findings(box) == [
        (
            name,
            f'The TXT record {name} "{ONE}" was made by [dns.home], which is no longer in the settings, so that it stays in DNS.',
        )
    ]


def test_an_instant_is_kept_with_each_record(zones: Zones, box: Solving):
    zone = zones.add("records-when.test")
    with box.store() as store:
        dns01 = box.dns01(store, zones)
        dns01.publish(proofs(dns01, zone)[:1])
        (row,) = store.dns_records.all()
    assert abs(row.at - datetime.now(UTC)) < timedelta(days=1)


def test_a_solver_that_fails_the_order_too_is_told_once(zones: Zones, box: Solving):
    problem = Problem("source.rfc_key_refused", "The server does not take the key.")
    other = Problem("source.rfc_server_unreachable", "The server can't be reached.")
    row = DnsRecord(
        solver="home",
        zone="a.test",
        name="x",
        value=ONE,
        domain="a.test",
        request="r",
        source="acme",
        at=datetime.now(UTC),
        problem=problem,
    )
    for failed, told in (({}, 1), ({row.order: problem.code}, 0), ({row.order: other.code}, 1)):
        assert len(of_left_records([row], ["home"], failed)) == told
    assert len(of_left_records([row], [], {row.order: problem.code})) == 1

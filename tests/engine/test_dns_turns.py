"""Orders of one name where a solver keeps two values of it, as acme-dns: one after the other, in whichever process."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest

from agent.contract.dns_solver import DnsContext, DnsSolver, TxtRecord
from agent.dns.solver_context import SolverContext
from agent.engine.dns_publishing import StoredDns01
from agent.engine.write_queue import DirectWriter
from agent.errors import OrderCancelled
from agent.errors.dns import RecordTaken
from agent.model.dns_record import DnsRecord
from agent.registry.dns_solvers import DnsHandle
from agent.store import Store
from agent.testing.appliance import Appliance
from support.fakes.no_dns import NoDns
from support.waiting import until

NOW = datetime(2026, 12, 1, tzinfo=UTC)
NAME = "d420c923.auth.test"
ONE, TWO, THREE = "1" * 43, "2" * 43, "3" * 43


class KeepsTwo(DnsSolver):
    name = "keeps_two"
    most_values: ClassVar[int | None] = 2
    there: ClassVar[list[str]] = []

    def present_all(self, records: Sequence[TxtRecord], context: DnsContext) -> None:
        self.there.extend(each.value for each in records)
        assert len(self.there) <= 2

    def clean_up_all(self, records: Sequence[TxtRecord], context: DnsContext) -> None:
        for each in records:
            self.there.remove(each.value)


@pytest.fixture
def box() -> Iterator[Appliance]:
    KeepsTwo.there.clear()
    with Appliance.make() as made:
        with Store.open(made.layout):
            pass
        yield made


def order(store: Store, source: str, seconds: float = 20, **context: Any) -> StoredDns01:
    """Return what an order at one of several CAs publishes with; it is being worked at."""
    with store.write():
        store.orders.lease("request", source, NOW)
    no_dns: Any = NoDns()
    handle = DnsHandle("auth", "keeps_two", KeepsTwo())
    asking = SolverContext(store.layout.rooted, lambda: NOW, **context)
    writer = DirectWriter(store)
    return StoredDns01({"auth": handle}, no_dns, asking, writer, ("request", source), lambda: NOW, seconds)


def records(*values: str) -> list[TxtRecord]:
    return [TxtRecord(name=NAME, value=value, zone="auth.test", domain="a.test") for value in values]


def test_values_that_fit_beside_each_other_are_made_at_the_same_time(box: Appliance) -> None:
    with box.store() as store:
        order(store, "first").publish(records(ONE))
        order(store, "second").publish(records(TWO))
    assert KeepsTwo.there == [ONE, TWO]


def test_an_order_waits_until_the_other_one_has_removed_its_values(box: Appliance) -> None:
    said: list[str] = []
    with box.store() as store:
        first = order(store, "first")
        first.publish(records(ONE, TWO))

        def wait_then_publish() -> None:
            with box.store() as own:
                order(own, "second", progress=said.append).publish(records(THREE))

        thread = threading.Thread(target=wait_then_publish)
        thread.start()
        until(lambda: said)
        first.withdraw(records(ONE, TWO))
        thread.join()
    assert said[0] == f"waiting until another order, at first, needs {NAME} no longer"
    assert KeepsTwo.there == [THREE]


def test_an_order_that_waits_too_long_fails_and_makes_nothing(box: Appliance) -> None:
    with box.store() as store:
        order(store, "first").publish(records(ONE, TWO))
        with pytest.raises(RecordTaken) as raised:
            order(store, "second", 0.1).publish(records(THREE))
        assert {each.value for each in store.dns_records.all()} == {ONE, TWO}
    assert raised.value.problem.lines() == [
        (
            f"{NAME}: The record {NAME}, which proves a.test, holds 2 values at most, and 0.1 s later an order for a.test at "
            "first still needs it."
        ),
        (
            "It is tried again by itself; for orders of a name at several CAs use a solver that keeps more values, then: "
            "chainwright renew"
        ),
    ]
    assert raised.value.failed == {"a.test", "*.a.test"}


def test_an_order_that_waits_ends_when_the_agent_stops(box: Appliance) -> None:
    with box.store() as store:
        order(store, "first").publish(records(ONE, TWO))
        with pytest.raises(OrderCancelled):
            order(store, "second", stopping=lambda: True).publish(records(THREE))


def test_values_of_an_order_that_nobody_works_at_are_not_waited_for(box: Appliance) -> None:
    with box.store() as store:
        order(store, "first").publish(records(ONE, TWO))
        with store.write():
            store.orders.release("request", "first")
        KeepsTwo.there.clear()  # the server pushes the oldest ones out
        order(store, "second").publish(records(THREE))
    assert KeepsTwo.there == [THREE]


def test_an_order_of_another_process_is_waited_for_and_not_when_that_was_killed(box: Appliance) -> None:
    ready, end = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:  # a process of its own, which never returns from here
        with box.store() as store:
            order(store, "first")
            rows = [_row(each) for each in records(ONE, TWO)]
            with store.write():
                store.dns_records.put(rows)
            os.write(ready[1], b"x")
            os.read(end[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    with box.store() as store:
        second = order(store, "second", 0.1)
        with pytest.raises(RecordTaken):
            second.publish(records(THREE))
        os.write(end[1], b"x")
        os.waitpid(child, 0)
        replace(second, seconds=20).publish(records(THREE))
    assert KeepsTwo.there == [THREE]


def _row(record: TxtRecord) -> DnsRecord:
    return DnsRecord(
        solver="auth",
        zone="auth.test",
        name=record.name,
        value=record.value,
        domain=record.domain,
        request="request",
        source="first",
        at=NOW,
    )

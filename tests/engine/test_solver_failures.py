"""What becomes of an order whose DNS solver fails, by the kind of failure; and of solvers that misbehave."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest

from agent.config.loading import load
from agent.contract.dns_solver import DnsContext, DnsSolver, TxtRecord
from agent.dns.solver_context import SolverContext
from agent.engine.dns_leftovers import as_tables_are, begin, reset_backoff
from agent.engine.dns_publishing import StoredDns01
from agent.engine.write_queue import DirectWriter
from agent.errors import DnsSolverError, SolverMisconfigured, SolverRefused, SolverUnreachable, SourceError
from agent.errors.dns import SolverCrashed
from agent.model.records import OrderRecord
from agent.planning.actions import RemoveRecords
from agent.planning.leftovers import removals
from agent.planning.turns import no_earlier
from agent.registry.dns_solvers import DnsHandle
from agent.sources import BUILT_IN
from agent.store import Store
from agent.testing.appliance import Appliance
from support.fakes.no_dns import NoDns

NOW = datetime(2026, 12, 1, tzinfo=UTC)
USUAL, OWN = NOW + timedelta(minutes=10), NOW + timedelta(hours=5)
ONE, TWO, THREE = "A" * 43, "B" * 43, "C" * 43
KEY = ("request", "acme")


class Kept(DnsSolver):
    """Records in memory; `fails` after so many."""

    name = "kept"
    there: ClassVar[list[tuple[str, str]]] = []
    calls: ClassVar[list[str]] = []
    fails: int = -1
    hangs: bool = False

    def present(self, name: str, value: str) -> None:
        if len(self.there) == self.fails:
            raise SolverUnreachable("The service gives no answer.", where="there", fix="Wait.")
        self.there.append((name, value))

    def clean_up(self, name: str, value: str) -> None:
        if self.hangs:
            time.sleep(2)
        self.calls.append(value)
        if (name, value) in self.there:
            self.there.remove((name, value))


class Failing(DnsSolver):
    name = "failing"
    raised: ClassVar[BaseException]

    def present_all(self, records: Sequence[TxtRecord], context: DnsContext) -> None:
        raise self.raised

    def clean_up_all(self, records: Sequence[TxtRecord], context: DnsContext) -> None:
        raise self.raised


class Careless(Kept):
    """It does what it likes with what it is given, and returns something."""

    name = "careless"

    def present_all(self, records: Any, context: DnsContext) -> None:
        super().present_all(records, context)
        list(records).clear()
        return "done"  # type: ignore[return-value]


@pytest.fixture
def box() -> Iterator[Appliance]:
    Kept.there.clear()
    Kept.calls.clear()
    with Appliance.make() as made:
        with Store.open(made.layout):
            pass
        yield made


def dns01(store: Store, solver: DnsSolver, timeout: float = 20) -> StoredDns01:
    handle = DnsHandle("home", type(solver).name, solver, timeout=timeout)
    context = SolverContext(store.layout.rooted, lambda: NOW)
    no_dns: Any = NoDns()
    return StoredDns01({"home": handle}, no_dns, context, DirectWriter(store), KEY, lambda: USUAL, 1)


def records(*values: str) -> list[TxtRecord]:
    return [TxtRecord(name="_acme-challenge.a.test", value=value, zone="a.test", domain="a.test") for value in values]


@pytest.mark.parametrize(
    ("kind", "own", "again"),
    [
        (SolverMisconfigured, None, None),
        (SolverRefused, None, NOW + timedelta(days=1)),
        (SolverUnreachable, None, USUAL),
        (DnsSolverError, None, USUAL),
        (SourceError, None, USUAL),
        (SolverMisconfigured, OWN, OWN),
        (SolverRefused, OWN, OWN),
    ],
)
def test_the_kind_of_a_failure_says_when_the_order_is_tried_again(
    box: Appliance, kind: type[SourceError], own: datetime | None, again: datetime | None
) -> None:
    Failing.raised = kind("It is so.", where="there", fix="Do this.", retry_at=own)
    with box.store() as store, pytest.raises(kind) as raised:
        dns01(store, Failing()).publish(records(ONE))
    assert raised.value.problem.lines() == ["[dns.home], there: It is so.", "Do this."]
    assert raised.value.retry_at == again
    assert raised.value.failed == {"a.test", "*.a.test"}


@pytest.mark.parametrize(
    ("at", "why"),
    [
        ("tomorrow", "it returned SolverRefused.retry_at is an object of type str, not a datetime or None"),
        (datetime(2026, 12, 2), "ValueError: SolverRefused.retry_at has no time zone"),  # noqa: DTZ001
    ],
)
def test_an_error_that_says_nonsense_is_a_defect_of_the_solver(box: Appliance, at: Any, why: str) -> None:
    Failing.raised = SolverRefused("It is so.", where="there", fix="Do this.", retry_at=at)
    with box.store() as store, pytest.raises(SolverCrashed) as raised:
        dns01(store, Failing()).publish(records(ONE))
    assert raised.value.problem.cause == (
        f"The DNS solver failed in present_all in a way it does not explain: {why.removeprefix('it returned ')}."
    )
    assert raised.value.retry_at == USUAL


HOME = {"plugin": "rfc2136", "server": "192.0.2.53", "key_name": "gateway", "secret": "YQ=="}


def test_an_order_that_waits_for_other_settings_is_tried_at_once_when_a_solver_s_change(box: Appliance) -> None:
    def ladder(**home: object) -> Any:
        box.settings(
            {"acme": {"directory": "letsencrypt-staging"}, "sources": ["acme"], "dns": {"home": {**HOME, **home}}}
        )
        box.layout.settings.chmod(0o600)
        return load(box.layout, BUILT_IN)[0].rungs["acme"]

    first = ladder()
    order = OrderRecord(
        request="request",
        source="acme",
        attempts=1,
        permanent=True,
        problem={"cause": "x"},
        settings_digest=first.settings_digest,
    )
    assert no_earlier(first, order, NOW, NOW) is None
    assert no_earlier(ladder(), order, NOW, NOW) is None
    for change in ({"secret": "Yg=="}, {"zones": ["a.test"]}, {"check_servers": ["192.0.2.1"]}, {"timeout": 60}):
        assert no_earlier(ladder(**change), order, NOW, NOW) == NOW


@pytest.mark.parametrize(
    ("kind", "again"), [(SolverMisconfigured, None), (SolverUnreachable, NOW + timedelta(minutes=1))]
)
def test_a_record_whose_removal_failed_is_tried_again_at_once_when_its_table_changes(
    box: Appliance, kind: type[SourceError], again: datetime | None
) -> None:
    Failing.raised = kind("It is so.", where="there", fix="Do this.")
    with box.store() as store:
        made, later = dns01(store, Failing()), NOW + timedelta(seconds=30)
        with pytest.raises(kind):
            made.publish(records(ONE))
        made.withdraw(records(ONE))
        (row,) = store.dns_records.all()
        assert row.problem is not None
        assert (row.retry_at, row.problem.retry_at, row.attempts) == (again, again, 1)
        found = removals(as_tables_are([row], made.solvers), later)
        assert (found.due, found.instants) == ((), (again,) if again else ())
        changed = dns01(store, Failing(), timeout=30).solvers
        remove = (RemoveRecords((row.name,)),)
        assert removals(as_tables_are([row], changed), later).due == remove
        assert removals(as_tables_are([row], {}), later).due == remove
        with store.write():
            assert begin(store, [row.name], changed, later) == [row]
        assert removals(as_tables_are(store.dns_records.all(), changed), later).due == ()
        with store.write():
            reset_backoff(store)
        assert removals(as_tables_are(store.dns_records.all(), changed), later).due == remove


def test_what_a_solver_has_made_before_it_failed_is_removed_and_nothing_else(box: Appliance) -> None:
    Kept.there.append(("_acme-challenge.a.test", "foreign"))
    with box.store() as store:
        made = dns01(store, Kept(fails=2))
        with pytest.raises(SolverUnreachable):
            made.publish(records(ONE, TWO, THREE))
        assert [value for _, value in Kept.there] == ["foreign", ONE]
        made.withdraw(records(ONE, TWO, THREE))
        assert store.dns_records.all() == []
    assert [value for _, value in Kept.there] == ["foreign"]
    assert Kept.calls == [ONE, TWO, THREE], "which of them exist is not known"


def test_a_solver_that_does_what_it_likes_with_what_it_is_given_harms_nobody(box: Appliance) -> None:
    with box.store() as store:
        made, wanted = dns01(store, Careless()), records(*(f"{number:043}" for number in range(300)))
        made.publish(wanted)
        made.withdraw(wanted)
        assert store.dns_records.all() == []
    assert len(wanted) == len(Kept.calls) == 300
    assert Kept.there == []


def test_a_clean_up_that_hangs_is_noted_and_tried_again_later(box: Appliance) -> None:
    with box.store() as store:
        made = dns01(store, Kept(hangs=True), timeout=0.2)
        made.publish(records(ONE))
        made.withdraw(records(ONE))
        (row,) = store.dns_records.all()
    assert row.problem is not None
    assert row.problem.cause == (
        'The DNS solver, of the plugin "kept", did not come to an end of clean_up within 0.2 s.'
    )
    assert row.retry_at == NOW + timedelta(minutes=1)

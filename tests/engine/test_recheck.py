"""Which endpoints are looked at when a person asks."""

from datetime import UTC, datetime, timedelta

from agent.engine.recheck import AT_ONCE, Recheck, to_recheck
from agent.model.deployment import EndpointRecord

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def endpoint(number: int, address: str = "127.0.0.1:443", seconds: int | None = 0) -> EndpointRecord:
    seen = None if seconds is None else NOW - timedelta(seconds=seconds)
    name = f"s{number}.example.test"
    return EndpointRecord("web", f"s{number} {address}", "", address, name, None, None, True, None, seen, None)


def test_a_timer_looks_at_nothing_before_it_is_due():
    assert to_recheck([endpoint(1)], Recheck.NOTHING) == []


def test_few_endpoints_are_all_looked_at():
    few = [endpoint(number) for number in range(AT_ONCE)]
    assert set(to_recheck(few, Recheck.SAMPLE)) == set(few)


def test_of_many_each_address_and_the_oldest_evidence_are_looked_at():
    many = [endpoint(number, seconds=number) for number in range(1000)]
    fresh = endpoint(1000, "127.0.0.1:444", seconds=0)
    never = endpoint(1001, seconds=None)
    chosen = to_recheck([*many, fresh, never], Recheck.SAMPLE)
    assert len(chosen) == AT_ONCE
    assert {fresh, never, many[-1]} <= set(chosen)
    assert many[0] not in chosen


def test_every_address_is_looked_at_however_many_there_are():
    many = [endpoint(number, f"127.0.0.1:{number}") for number in range(1, 200)]
    assert set(to_recheck(many, Recheck.SAMPLE)) == set(many)


def test_all_are_looked_at_where_that_is_asked_for():
    many = [endpoint(number, seconds=number) for number in range(1000)]
    assert set(to_recheck(many, Recheck.ALL)) == set(many)

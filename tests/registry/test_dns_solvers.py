"""Tables of DNS solvers, and their solvers asked through the guard: what one does costs its order only, and says who did it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.contract.dns_solver import DnsContext, DnsSolver, TxtRecord
from agent.dns.solver_context import SolverContext
from agent.errors import AgentError, SourceError
from agent.errors.dns import SolverCrashed, SolverHangs
from agent.registry.dns_solvers import DnsHandle, dns_zones, solver_for

RECORD = TxtRecord(name="_acme-challenge.a.test", value="A" * 43, zone="a.test", domain="a.test")


class Plain(DnsSolver):
    """Written for version 1.0."""

    name = "plain"
    file: str

    def present(self, name: str, value: str) -> None:
        if value == "raise":
            raise KeyError("token")
        with Path(self.file).open("a") as file:
            file.write(f"{name} {value}\n")

    def clean_up(self, name: str, value: str) -> None:
        raise SourceError("It is away.", where="there", fix="Wait.")


class Whole(DnsSolver):
    name = "whole"

    def present_all(self, records: Sequence[TxtRecord], context: DnsContext) -> None:
        time.sleep(3)

    def clean_up_all(self, records: Sequence[TxtRecord], context: DnsContext) -> None:
        raise AgentError("no source error")


def context() -> SolverContext:
    return SolverContext(Path, lambda: datetime.now(UTC))


def handle(solver: DnsSolver, name: str = "home", *zones: str, timeout: float = 20) -> DnsHandle:
    return DnsHandle(name, type(solver).name, solver, zones, timeout=timeout)


def test_a_solver_of_version_1_0_is_asked_record_by_record(tmp_path: Path):
    file = tmp_path / "zone"
    handle(Plain(file=str(file))).present([RECORD, RECORD], context())
    assert file.read_text() == f"{RECORD.name} {RECORD.value}\n" * 2


def test_its_own_error_goes_on():
    with pytest.raises(SourceError, match="It is away"):
        handle(Plain(file="/")).clean_up([RECORD], context())


def test_what_is_no_source_error_is_told_as_its_defect():
    wrong = TxtRecord(name=RECORD.name, value="raise", domain="a.test")
    with pytest.raises(SolverCrashed) as raised:
        handle(Plain(file="/")).present([wrong], context())
    first, second = raised.value.problem.lines()
    assert first.startswith("[dns.home] (")
    assert first.endswith("The DNS solver failed in present in a way it does not explain: KeyError: 'token'.")
    assert second == 'Correct or update the plugin "plain"; chainwright plugins names its distribution.'
    assert raised.value.failed == {"a.test", "*.a.test"}
    with pytest.raises(SolverCrashed):
        handle(Whole()).clean_up([RECORD], context())


def test_one_that_hangs_is_named_and_asked_again_by_the_next_order():
    made = handle(Whole(), timeout=0.1)
    for _ in range(2):
        with pytest.raises(SolverHangs) as raised:
            made.present([RECORD], context())
        assert raised.value.problem.cause == (
            'The DNS solver, of the plugin "whole", did not come to an end of present_all within 0.1 s.'
        )


def test_the_longest_zone_wins():
    every, outer, inner = (
        handle(Whole(), "every"),
        handle(Whole(), "outer", "a.test"),
        handle(Whole(), "inner", "b.test", "x.a.test"),
    )
    solvers = [every, inner, outer]
    names = ("_acme-challenge.x.a.test", "a.test", "za.test", "b.test")
    assert [found.name for name in names if (found := solver_for(name, solvers))] == [
        "inner",
        "outer",
        "every",
        "inner",
    ]
    assert solver_for("c.test", [inner, outer]) is None
    assert dns_zones(solvers) == ("", "a.test", "b.test", "x.a.test")

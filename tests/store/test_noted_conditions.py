"""Conditions: what passes note, by scope, with the instant at which it began."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agent.errors.problem import Problem
from agent.model.finding import Finding, Severity, SubjectKind
from agent.store import Store

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
DISK = Finding(
    SubjectKind.APPLIANCE, "disk", Severity.WARNING, Problem("disk.full", "It is full.", "/var"), title="Disk"
)
CLOCK = Finding(SubjectKind.APPLIANCE, "clock", Severity.ERROR, Problem("clock.leapt", "It leapt."))


def test_what_was_there_before_keeps_its_beginning(store: Store):
    assert store.conditions.replace("appliance", [DISK], NOW) == [replace(DISK, since=NOW)]
    worse = replace(DISK, severity=Severity.ERROR)
    assert store.conditions.replace("appliance", [worse, CLOCK], LATER) == [replace(CLOCK, since=LATER)]
    assert store.conditions.all() == [replace(CLOCK, since=LATER), replace(worse, since=NOW)]


def test_what_is_no_longer_so_goes_and_other_scopes_stay(store: Store):
    store.conditions.replace("appliance", [DISK], NOW)
    store.conditions.replace("pass", [CLOCK], NOW)
    store.conditions.replace("appliance", [], LATER)
    assert store.conditions.all() == [replace(CLOCK, since=NOW)]


def test_what_knows_its_beginning_keeps_it(store: Store):
    store.conditions.replace("pass", [replace(CLOCK, since=NOW - timedelta(days=1))], NOW)
    assert store.conditions.all()[0].since == NOW - timedelta(days=1)


@pytest.mark.parametrize(("again", "trusted"), [(DISK, "all is well"), (CLOCK, None)])
def test_only_a_difference_makes_the_next_pass_look_at_everything(store: Store, again: Finding, trusted: str | None):
    store.conditions.replace("appliance", [DISK], NOW)
    store.remember("trusted", "all is well")
    store.conditions.replace("appliance", [again], LATER)
    assert store.meta("trusted") == trusted

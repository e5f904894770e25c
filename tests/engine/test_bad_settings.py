"""Settings that can't be used: the last good ones go on, in every process, and everybody is told."""

from __future__ import annotations

import json
import os
import re
from datetime import timedelta

import pytest

from agent.engine.engine import Engine
from agent.engine.settings_in_force import KeptSettings
from agent.errors.settings import SettingsRefused
from agent.model.finding import Severity, SubjectKind
from agent.report import read_snapshot, report
from agent.system.lock import held, holder_of
from support.appliances.deployed import Deployed

NONSENSE = "nonsense = 1\n"
CAUSE = "There is an error in the settings:"


def told(appliance: Deployed, kind: SubjectKind) -> list[tuple[str, Severity, str]]:
    """Return what the status says of one kind of subject."""
    now = appliance.clock()
    found = report(read_snapshot(appliance.layout, now), now).findings
    return [(each.name, each.severity, each.problem.cause.partition("\n")[0]) for each in found if each.kind is kind]


REFUSED = [("settings", Severity.ERROR, CAUSE)]


def test_settings_that_were_broken_are_told_before_any_pass_has_read_them(tunnel: Deployed):
    assert told(tunnel, SubjectKind.SETTINGS) == []
    good = tunnel.layout.settings.read_text()
    tunnel.settings(NONSENSE)
    assert told(tunnel, SubjectKind.SETTINGS) == REFUSED
    tunnel.layout.settings.write_text(good)
    assert told(tunnel, SubjectKind.SETTINGS) == []


def test_a_pass_notes_since_when_they_are_refused_until_they_can_be_used(tunnel: Deployed):
    good = tunnel.layout.settings.read_text()
    tunnel.settings(NONSENSE)
    for _ in range(2):
        with pytest.raises(SettingsRefused):
            tunnel.apply()
        tunnel.clock.advance(hours=1)
    with tunnel.store() as store:
        (noted,) = [each for each in store.conditions.all() if each.kind is SubjectKind.SETTINGS]
    assert noted.since is not None
    assert timedelta(hours=2) <= tunnel.clock() - noted.since < timedelta(hours=3)
    tunnel.layout.settings.write_text(good)
    tunnel.apply()
    assert told(tunnel, SubjectKind.SETTINGS) == []


def test_a_process_that_starts_with_bad_settings_has_the_last_good_ones(tunnel: Deployed):
    tunnel.settings(NONSENSE)
    (tunnel.layout.module("tunnel").live / "tunnel.pem").unlink()
    loader = KeptSettings()
    Engine(tunnel.layout, clock=tunnel.clock, runner=tunnel.runner, loader=loader).boot()
    assert (tunnel.layout.module("tunnel").live / "tunnel.pem").exists()
    assert loader.refusal is not None
    assert told(tunnel, SubjectKind.SETTINGS) == REFUSED


def test_the_last_good_settings_are_sealed(tunnel: Deployed):
    with tunnel.store() as store:
        kept = store.memories.read("", "settings")
        (row,) = store.database.execute("select sealed_state from memories where source = ''").fetchall()
    assert kept["files"][0][:2] == [str(tunnel.layout.settings), tunnel.layout.settings.read_text()]
    assert json.dumps(kept).encode() not in row[0]
    assert b"hostname" not in row[0]


def test_without_any_good_ones_the_refusal_says_so(appliance: Deployed):
    appliance.settings(NONSENSE)
    with pytest.raises(SettingsRefused, match="nonsense"):
        Engine(appliance.layout, loader=KeptSettings()).boot()


def test_a_pass_that_ends_in_a_mistake_is_told_with_its_trace_until_one_succeeds(tunnel: Deployed):
    def broken(settings: object) -> None:
        raise RuntimeError("a fault of the test's")

    engine = Engine(tunnel.layout, clock=tunnel.clock, runner=tunnel.runner, host=broken)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError):
        engine.run_pass(wait=0)
    mistake = "A pass failed by a mistake of the agent: RuntimeError: a fault of the test's."
    assert told(tunnel, SubjectKind.PASS) == [("pass", Severity.ERROR, mistake)]
    tunnel.apply()
    assert told(tunnel, SubjectKind.PASS) == []


def test_a_run_that_holds_the_lock_for_long_is_named(tunnel: Deployed):
    assert holder_of(tunnel.layout.lock) is None
    with held(tunnel.layout.lock, wait=0):
        assert told(tunnel, SubjectKind.PASS) == []
        began = tunnel.layout.lock.stat().st_mtime - 11 * 60
        os.utime(tunnel.layout.lock, (began, began))
        ((name, severity, cause),) = told(tunnel, SubjectKind.PASS)
    assert (name, severity) == ("pass", Severity.WARNING)
    assert re.match(rf"pid {os.getpid()}, .* has held the lock since ", cause)
    assert holder_of(tunnel.layout.lock) is None

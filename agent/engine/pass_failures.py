"""Failures of passes, and settings that are refused: noted, so that everything that tells how things are shows them."""

from __future__ import annotations

import contextlib
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from datetime import datetime

from agent.errors import AgentError, Problem
from agent.errors.settings import SettingsRefused
from agent.health.problems import pass_crashed
from agent.model.finding import Finding, Severity, SubjectKind
from agent.report.observing import PASS, SETTINGS, SETTINGS_SEEN
from agent.store import Store


def note_settings(store: Store, refusal: SettingsRefused | None, digest: str, now: datetime) -> None:
    """Note whether the settings on disk, whose fingerprint is `digest`, can be used."""
    findings = [Finding(SubjectKind.SETTINGS, SETTINGS, Severity.ERROR, refusal.problem)] if refusal else []
    with store.write():
        store.conditions.replace(SETTINGS, findings, now)
        if store.meta(SETTINGS_SEEN) != digest:
            store.remember(SETTINGS_SEEN, digest)


@contextlib.contextmanager
def failures_noted(store: Store, clock: Callable[[], datetime]) -> Iterator[None]:
    """Note why a pass fails, until one succeeds. Settings that are refused are noted as such."""
    try:
        yield
    except SettingsRefused:
        raise
    except AgentError as error:
        note_failure(store, error.problem, clock())
        raise
    except Exception as error:
        lines = traceback.format_exception(error)
        note_failure(store, pass_crashed(type(error).__name__, str(error), "".join(lines)), clock())
        raise
    note_failure(store, None, clock())


def note_failure(store: Store, problem: Problem | None, now: datetime) -> None:
    """Note why a pass failed, until one succeeds. A store that refuses this is why it failed: the caller says so."""
    findings = [Finding(SubjectKind.PASS, PASS, Severity.ERROR, problem)] if problem else []
    with contextlib.suppress(AgentError, sqlite3.Error), store.write():
        store.conditions.replace(PASS, findings, now)

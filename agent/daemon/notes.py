"""What the supervisor has noted in the store by the pass process, and asks of it: it opens no database itself."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from agent.errors import AgentError
from agent.errors.api import JobLost
from agent.health.hangs import of_account
from agent.health.problems import api_failed
from agent.model.finding import Finding, Severity, SubjectKind
from agent.store import Store
from agent.system.layout import Layout

API, API_NAME = "api", "local API"
"""Scope and subject of the condition that the process of the local API fails."""
HANGS = "hangs"
"""Scope of the condition that a pass hung, or its process died."""
API_USERS = "api users"
"""What is remembered of who may use the local API, for the time before the settings are read."""


class Notes:
    """Rows of the store that tell of the supervisor's processes. A store that can't be used tells of itself."""

    def __init__(self, layout: Layout, clock: Callable[[], datetime]) -> None:
        self._layout = layout
        self._clock = clock

    def known(self) -> dict[str, Any]:
        """Return what the last agent has left: who may use the local API, and whether that failed."""
        with contextlib.suppress(AgentError, sqlite3.Error), Store.open_read_only(self._layout) as store:
            users = (store.meta(API_USERS) or "").split()
            return {"users": users, "api_failed": bool(store.conditions.of(API))}
        return {}

    def note_account(self, account: dict[str, Any]) -> None:
        """Note what the last pass process was about when it hung or died, until a pass has got through."""
        self._note(HANGS, [of_account(account)])

    def forget_account(self) -> None:
        """Note that a pass has got through."""
        failures = contextlib.suppress(AgentError, sqlite3.Error)
        with failures, Store.open_read_only(self._layout) as store:
            noted = store.conditions.of(HANGS)
        with failures:
            if noted:
                self._note(HANGS, [])

    def keep_users(self, users: list[str]) -> None:
        """Remember who may use the local API."""
        with contextlib.suppress(AgentError, sqlite3.Error), Store.open_existing(self._layout) as store:
            if (store.meta(API_USERS) or "").split() != users:
                with store.write():
                    store.remember(API_USERS, " ".join(users))

    def note_api(self, reason: str) -> None:
        """Note why the process of the local API fails; empty: it runs."""
        found = [Finding(SubjectKind.APPLIANCE, API_NAME, Severity.WARNING, api_failed(reason))] if reason else []
        self._note(API, found)

    def end_lost(self, jobs: Iterable[str], reason: str) -> None:
        """Note that jobs have ended with their process, where they have not said so themselves."""
        problem = JobLost(reason).problem
        failures = contextlib.suppress(AgentError, sqlite3.Error)
        with failures, Store.open_existing(self._layout) as store, store.write():
            for job in jobs:
                store.jobs.end(job, self._clock(), 1, problem)

    def _note(self, scope: str, findings: list[Finding]) -> None:
        failures = contextlib.suppress(AgentError, sqlite3.Error)
        with failures, Store.open_existing(self._layout) as store, store.write():
            store.conditions.replace(scope, findings, self._clock())

"""What the pass process tells of the appliance after a pass."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from typing import Any

from agent.deploy.observing import OBSERVERS
from agent.engine.engine import Engine
from agent.errors import AgentError
from agent.model.events import Event, EventKind
from agent.report import read_snapshot, report
from agent.store import Store
from agent.system.layout import Layout

SHOWN = 3
"""Subjects that systemd is told of by name."""


def attention(engine: Engine) -> str:
    """Say what somebody should act on, as `chainwright status` does; empty where that can't be read."""
    with contextlib.suppress(AgentError):
        now = engine.clock()
        status = report(read_snapshot(engine.layout, now, engine.belief()), now)
        found = list(dict.fromkeys(status.attention))
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        return f"In need of attention: {', '.join(found[:SHOWN])}{more}. " if found else "All is well. "
    return ""


def what_to_watch(layout: Layout) -> dict[str, Any]:
    """Return the ports and the pid files of what serves, and the commands that tell how it is."""
    with contextlib.suppress(AgentError, ValueError), Store.open_read_only(layout) as store:
        pid_files = (store.meta("pid files") or "").splitlines()
        ports, serving = store.endpoints.ports(), store.endpoints.ports() - store.endpoints.ports(wrong=True)
        watched = {"ports": sorted(ports), "pid_files": pid_files, "serving": sorted(serving)}
        return watched | {"observers": json.loads(store.meta(OBSERVERS) or "{}")}
    return {}


def until_delivery(engine: Engine) -> float | None:
    """Return in how many seconds observers or notifiers are to be told of events; None: nobody is."""
    with contextlib.suppress(AgentError, sqlite3.Error), Store.open_read_only(engine.layout) as store:
        return store.deliveries.seconds_until_due(engine.clock())
    return None


def note_refusal(engine: Engine, refusal: AgentError) -> None:
    """Store that the settings can't be used."""
    event = Event(at=engine.clock(), kind=EventKind.SETTINGS_REFUSED, text=refusal.problem.cause)
    with contextlib.suppress(AgentError), Store.open_existing(engine.layout) as store:
        engine.bus.publish(store, event)

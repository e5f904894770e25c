"""What a pass that left nothing undone stores, so that other runs end at once as long as nothing is due and nothing changes."""

from __future__ import annotations

from datetime import UTC, datetime

from agent.deploy.failures import SCOPE as FAILURES
from agent.deploy.former_instances import SCOPE as FORMER
from agent.deploy.next_start import SCOPE as NEXT_START
from agent.deploy.observing import OBSERVERS
from agent.deploy.reloadable import SCOPE as RELOADABLE
from agent.engine.deferred_orders import waits_for_another
from agent.engine.dns_leftovers import SCOPE as RECORDS
from agent.engine.due_looks import LOOKS, written_looks
from agent.engine.evidence import written_evidence
from agent.engine.freshness import EVIDENCE, KEY, InputsFingerprint, UpToDate
from agent.engine.window_leftovers import SCOPE as WINDOWS
from agent.model.deployment import Outcome
from agent.planning import Plan
from agent.report import Report, read_snapshot, report
from agent.store import Store
from agent.system.clock_judgement import Belief


def note_up_to_date(
    store: Store, made: Plan, fingerprint: InputsFingerprint, interval: float, belief: Belief
) -> Report | None:
    """Store it, and return what a status says now; None where nothing was stored.

    While something is refused, or a service would not start, or an earlier instance of one runs, or another machine is to ask
    the CA, a person who calls for a pass means that it be tried again. `interval`: seconds between two looks at an endpoint.
    `belief`: of the clock.
    """
    now = datetime.fromtimestamp(belief.instant, UTC)
    snapshot = read_snapshot(store.layout, now, belief)
    retiring = any(each.outcome is Outcome.RETIRING for each in snapshot.deployments.values())
    noted = any(store.conditions.of(scope) for scope in (NEXT_START, RELOADABLE, FORMER, FAILURES, RECORDS, WINDOWS))
    waiting = any(map(waits_for_another, store.orders.records()))
    if snapshot.refusals or retiring or noted or waiting:
        return None
    found = report(snapshot, now)
    fresh = UpToDate(now.timestamp(), _earliest(made.beside_names_at, found.changes_at), len(found.attention))
    rows = {
        KEY: fingerprint.record(fresh),
        EVIDENCE: written_evidence(snapshot, observes=bool(store.meta(OBSERVERS))),
        LOOKS: written_looks(_earliest(made.beside_looks_at, found.changes_at), interval, now.timestamp()),
    }
    with store.write():
        for key, row in rows.items():
            store.remember(key, row)
    return found


def _earliest(*instants: datetime | None) -> float | None:
    """Return the first one in seconds since the epoch; None without one."""
    return min((each.timestamp() for each in instants if each), default=None)

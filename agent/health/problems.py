"""Problems that only a status knows: nothing failed, and yet somebody should know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from agent.errors.problem import Problem, rfc3339
from agent.errors.wording import few
from agent.health.states import Status
from agent.model.records import UPLOADED, ChainRecord, OrderRecord

APPLY = "Try it now: chainwright apply"
UPLOAD_NEXT = "Upload the next one: chainwright upload FILES"
LATE = timedelta(hours=1)
"""A pass that is so late tells that nothing makes passes any more."""


def expired(ended: datetime) -> Problem:
    """Say that a chain in service is past its end."""
    return Problem("status.expired", f"It expired at {rfc3339(ended)}: clients refuse it.", fix=APPLY)


def ends_soon(record: ChainRecord, failures: Sequence[OrderRecord]) -> Problem:
    """Say that a chain in service ends soon, and why nothing else can be had in its place: what failed, the gravest first."""
    whys = [f"{each.source}: {_why(each)}" for each in failures]
    why = f": {'; '.join(whys)}" if whys else ""
    it = "The uploaded chain" if record.source == UPLOADED else "It"
    cause = f"{it} ends at {rfc3339(record.not_after)}, and nothing else can be had in its place{why}."
    first = problem_of(failures[0]) if failures else None
    fix = UPLOAD_NEXT if record.source == UPLOADED else first.fix if first else ""
    retry_at = min((each.retry_at for each in failures if each.retry_at), default=None)
    return Problem("status.ends_soon", cause, first.where if first else "", fix or APPLY, retry_at=retry_at)


def revoked(at: datetime) -> Problem:
    """Say that a chain in service is known to be revoked."""
    return Problem("status.revoked", f"It was revoked at {rfc3339(at)}: clients may refuse it.", fix=APPLY)


def meanwhile(order: OrderRecord | None, record: ChainRecord, ending: ChainRecord | None = None) -> Problem | None:
    """Return why a source could not deliver, with what is served until it does: `record`, in place of what ends soon."""
    failure = problem_of(order)
    if failure is None or failure.effect:
        return failure
    why = f", as the one of {ending.source} ends at {rfc3339(ending.not_after)}" if ending else ""
    local = f"The local chain is served meanwhile{why}: clients must trust the root."
    return replace(failure, effect=local if record.root else "The present chain stays in service meanwhile.")


def overdue(renewal: datetime, order: OrderRecord | None) -> Problem:
    """Say since when a chain should have been renewed, and what prevented it."""
    failure = problem_of(order)
    if order is None or failure is None:
        return Problem("status.overdue", f"It should have been renewed at {rfc3339(renewal)}.", fix=APPLY)
    tries = "one try" if order.attempts == 1 else f"{order.attempts} tries"
    cause = f"It should have been renewed at {rfc3339(renewal)}; {tries} failed: {failure.cause}"
    return Problem("status.overdue", cause, failure.where, failure.fix or APPLY, retry_at=order.retry_at)


def no_chain(module: str, slot: str, reason: str) -> Problem:
    """Say that a need has nothing to serve yet."""
    cause = f"{reason[:1].upper()}{reason[1:]}." if reason else "It has not been looked at yet."
    return Problem("status.no_chain", cause, f"{module}/{slot}", f"See why: chainwright explain {module} {slot}")


def many_needs(module: str, count: int, most: int) -> Problem:
    """Say that a module asks for so many chains that it is close to what is refused."""
    return Problem(
        "status.many_needs",
        f"It asks for {count} chains: passes take long, and more than {most} of one module are refused.",
        module,
        f"Take names together in one chain, or divide them among several modules; see them: chainwright show {module}",
    )


def not_switched(module: str) -> Problem:
    """Say that a module was not given its chain yet."""
    return Problem("status.not_deployed", f"{module} was not given this chain yet.", module, APPLY)


def window(module: str, opens: datetime) -> Problem:
    """Say that a chain, or something else that has changed, is kept back until a module may be reloaded."""
    return Problem(
        "status.window",
        f"{module} takes what is new into service at {rfc3339(opens)}, when its activation window opens.",
        module,
        "Don't wait: chainwright apply --now",
        "What was there before stays in service until then.",
        opens,
    )


def origin_changed(source: str, before: Sequence[str], now: str, names: Sequence[str]) -> Problem:
    """Say that chains of a CA are in service that the settings no longer name. `before` and `now` are its URLs."""
    cause = f"The settings name {now} now, and chains of {few(before)} are in service for {few(names)}."
    fix = "Replace them: chainwright reissue --all; else each is replaced when it is due."
    return Problem("status.origin_changed", cause, source, fix)


def without_cause(status: Status) -> Problem:
    """Say what a status means of which no row tells the cause."""
    if status is Status.LOCAL_FALLBACK:
        cause = "A local chain is served until a higher source delivers one: clients must trust the root."
        return Problem("status.local_fallback", cause, fix=APPLY)
    return Problem("status.unexplained", f"It is {status.replace('_', ' ')}.", fix=APPLY)


def module_without_cause(module: str) -> Problem:
    """Say that a module is not as it should be though no row tells why."""
    return Problem("status.module", f"{module} does not serve what it should.", module, f"chainwright explain {module}")


def late(due: datetime) -> Problem:
    """Say that nothing makes passes any more."""
    return Problem(
        "status.late",
        f"The agent was due at {rfc3339(due)} and has not run since: nothing is renewed, and nothing is looked at.",
        fix="See why: systemctl status chainwright (or rc-service chainwright status), or run it now: chainwright apply",
    )


def old_evidence(module: str, address: str, seen_at: datetime) -> Problem:
    """Say that nobody looks any more at what is served."""
    return Problem(
        "status.old_evidence",
        f"What {address} serves was seen last at {rfc3339(seen_at)}: whether that is still so isn't known.",
        module,
        "Look now: chainwright apply --look, and see why it isn't looked at: chainwright plugins",
    )


def pass_crashed(kind: str, text: str, trace: str) -> Problem:
    """Say that a pass ended in a mistake of the agent."""
    return Problem(
        "status.pass_crashed",
        f"A pass failed by a mistake of the agent: {kind}{': ' if text else ''}{text.rstrip('.')}.",
        fix="Report it with what was said exactly; it is tried again. Now: chainwright apply",
        detail=trace,
    )


def boot_unfinished(what: str, seconds: int) -> Problem:
    """Say that the boot's time was up, or that it was ended because something hung, and at what."""
    hung = f": {what} did not end within {seconds} s" if what else ""
    return Problem(
        "status.boot_unfinished",
        f"Not everything could be done in the time that a boot has{hung}.",
        "boot",
        "The agent does the rest by itself once it runs; now: chainwright apply",
        "Services start with their last good files.",
    )


def api_failed(reason: str) -> Problem:
    """Say that the process of the local API can't be kept up."""
    return Problem(
        "status.api_failed",
        f"The process of the local API fails ({reason}): the web interface can't show or change anything.",
        "local API",
        "See why in the agent's log: journalctl -u chainwright, or without systemd the files in /var/log/chainwright. "
        "It is started again by itself",
        "What is served goes on, and is renewed.",
    )


def blocked(holder: str, since: datetime) -> Problem:
    """Say that a run has held the lock for so long that nothing else gets on."""
    return Problem(
        "status.blocked",
        f"{holder or 'Another run'} has held the lock since {rfc3339(since)}: no other run gets on.",
        fix="See what it does: chainwright events; end it if it hangs. What is interrupted goes on in the next run",
    )


def unreachable(agent: str, path: str) -> Problem:
    """Say that somebody has removed the sockets by which a running agent is spoken to."""
    return Problem(
        "status.unreachable",
        f"The agent runs ({agent}), but somebody has removed its socket: neither the web interface nor commands reach it.",
        path,
        "It makes another one within seconds. If it doesn't, restart it: systemctl restart chainwright (or rc-service "
        "chainwright restart)",
        "What is served goes on, and is renewed.",
    )


def upload_ends(end: datetime) -> Problem:
    """Say that an uploaded chain in use ends soon."""
    return Problem(
        "status.upload_ends",
        f"The uploaded chain ends at {rfc3339(end)}, and nothing renews it by itself.",
        fix=UPLOAD_NEXT,
    )


def upload_gave_way(end: datetime) -> Problem:
    """Say that something else serves already in place of an uploaded chain that ends soon."""
    return Problem(
        "status.upload_gave_way",
        f"The uploaded chain ends at {rfc3339(end)}, which is soon: another source serves its names already.",
        fix=UPLOAD_NEXT,
    )


def upload_ended(end: datetime, chain: str) -> Problem:
    """Say that an uploaded chain has ended, and something else serves in its place."""
    return Problem(
        "status.upload_ended",
        f"The uploaded chain ended at {rfc3339(end)}; another source serves its names.",
        fix=f"Upload the next one: chainwright upload FILES; or do without: chainwright delete {chain[:12]}",
    )


def root_ends(end: datetime, *, of: str = "") -> Problem:
    """Say that the root ends soon, or has ended. `of`: the option that names it to a command, where one has to."""
    return Problem(
        "status.root_ends",
        f"The root ends at {rfc3339(end)}: every client that trusts it needs the next one before.",
        fix=f"See what changes: chainwright root reissue --dry-run{of}",
    )


def _why(failure: OrderRecord) -> str:
    problem = problem_of(failure)
    cause = problem.cause.rstrip(".") if problem else "it failed"
    return f"{cause}, not tried again before its settings change" if failure.permanent else cause


def problem_of(order: OrderRecord | None) -> Problem | None:
    """Return an order's last failure."""
    return Problem.from_json(dict(order.problem)) if order and order.problem else None

"""Inquiries about chains that are bound: what the CA says of their renewal, and whether it has revoked them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from agent.contract.source import Source, is_aware
from agent.crl import RevocationLists, check_revocation
from agent.engine.bus import Bus
from agent.engine.kept_keys import distrust_key
from agent.engine.source_context import StoredSourceContext
from agent.errors import AgentError, SourceError
from agent.errors.problem import rfc3339
from agent.errors.source import OrderCancelled, SourceCrashed
from agent.model.events import Event, EventKind
from agent.model.pause import LONGEST_INQUIRY, LONGEST_LIST
from agent.model.records import UPLOADED, Watch
from agent.pki.chain import Chain
from agent.pki.revocation import RevocationReason
from agent.planning import Inquire
from agent.store import Store

BACK_OFF = (timedelta(minutes=1), timedelta(minutes=10), timedelta(minutes=100), timedelta(hours=6))
"""After the first, second, ... failure in a row."""
SOONEST = timedelta(minutes=1)
"""Between two inquiries about one chain, whatever its CA says."""
BEGUN = timedelta(minutes=5)
"""Nobody else inquires for so long; then the process that began is taken to be dead."""


@dataclass(frozen=True)
class InquiryResult:
    """Outcome of one inquiry."""

    inquire: Inquire
    watch: Watch | None
    """What is known now; None: as before, because the agent stops."""
    before: Watch | None = None
    revoked_at: datetime | None = None
    reason: str = ""
    """Why it was revoked, as the CA says."""


def begin(store: Store, action: Inquire, now: datetime) -> Watch | None:
    """Keep others from inquiring about the same for a while. Return what is known. Call inside `Store.write`."""
    before = store.watches.of(action.chain)
    known, until = before or Watch(chain=action.chain), now + BEGUN
    if action.renewal:
        known = replace(known, next_at=until, asked_at=now)
    if action.revocation:
        known = replace(known, crl_at=until, crl_asked_at=now)
    store.watches.put(known)
    return before


def ask_about(
    action: Inquire,
    load: Callable[[], Chain],
    before: Watch | None,
    source: Source,
    context: StoredSourceContext,
    lists: RevocationLists,
    *,
    private: bool,
) -> InquiryResult:
    """Ask what is due, whatever the source does. `load` opens the chain; `lists` are those that were fetched already.

    `private`: as for `check_revocation`.
    """
    inquiry = _Inquiry(action, load, before, context.now)
    if action.renewal and not context.cancelled:
        inquiry.attempt(partial(inquiry.ask_source, source, context), "next_at")
    if action.revocation and not context.cancelled:
        inquiry.attempt(partial(inquiry.look_for_revocation, lists, private=private), "crl_at")
    return inquiry.finding(cancelled=context.cancelled)


class _Inquiry:
    def __init__(
        self, action: Inquire, load: Callable[[], Chain], before: Watch | None, clock: Callable[[], datetime]
    ) -> None:
        self._action = action
        self._load = load
        self._before = before
        self._clock = clock
        self._watch = before or Watch(chain=action.chain)
        self._error: AgentError | None = None
        self._revoked_at: datetime | None = None
        self._reason = ""

    def attempt(self, ask: Callable[[], None], instant: str) -> None:
        """Ask one thing; when that fails, back off, and go on with the others."""
        try:
            ask()
        except AgentError as error:
            self._fail(error, instant)
        except Exception as error:
            self._fail(SourceCrashed(self._action.source, error, self._clock()), instant)

    def ask_source(self, source: Source, context: StoredSourceContext) -> None:
        """Have the source ask its CA."""
        answer = source.inquire(self._load(), self._before, context)
        if answer is not None and not isinstance(answer, Watch):
            raise TypeError(f"inquire() returned {type(answer).__name__} instead of a Watch")
        naive = [each for each in ("next_at", "renew_at") if answer and not is_aware(getattr(answer, each))]
        if naive:
            raise ValueError(f"inquire() returned a Watch whose {naive[0]} has no time zone")
        found = answer or replace(self._watch, next_at=None)
        known, now = self._watch, self._clock()
        self._watch = replace(
            found,
            chain=self._action.chain,
            next_at=_within(found.next_at, now, LONGEST_INQUIRY),
            asked_at=now,
            crl_at=known.crl_at,
            crl_asked_at=known.crl_asked_at,
        )

    def look_for_revocation(self, lists: RevocationLists, *, private: bool) -> None:
        """See whether the chain is on its CA's list of revoked certificates."""
        now = self._clock()
        uploaded = self._action.source == UPLOADED
        found = check_revocation(self._load(), now, lists, of_upload=uploaded, private=private)
        self._revoked_at, self._reason = found.revoked_at, found.reason
        self._watch = replace(self._watch, crl_at=_within(found.next_at, now, LONGEST_LIST), crl_asked_at=now)

    def finding(self, *, cancelled: bool) -> InquiryResult:
        """Return what came of it."""
        if cancelled or isinstance(self._error, OrderCancelled):
            return InquiryResult(self._action, None, self._before)
        problem = self._error.problem.to_json() if self._error else None
        watch = replace(self._watch, problem=problem, attempts=self._failures if self._error else 0)
        return InquiryResult(self._action, watch, self._before, self._revoked_at, self._reason)

    @property
    def _failures(self) -> int:
        return (self._before.attempts if self._before else 0) + 1

    def _fail(self, error: AgentError, instant: str) -> None:
        self._error = self._error or error
        now = self._clock()
        again = error.retry_at if isinstance(error, SourceError) and is_aware(error.retry_at) else None
        earliest = now + BACK_OFF[min(self._failures, len(BACK_OFF)) - 1]
        at = max(again, earliest) if again else earliest
        if instant == "next_at":
            self._watch = replace(self._watch, next_at=_within(at, now, LONGEST_INQUIRY), asked_at=now)
        else:
            self._watch = replace(self._watch, crl_at=_within(at, now, LONGEST_LIST), crl_asked_at=now)


def _within(at: datetime | None, now: datetime, longest: timedelta) -> datetime | None:
    """Return when to ask again: what is wanted, within bounds."""
    return min(max(at, now + SOONEST), now + longest) if at else None


def settle_findings(store: Store, bus: Bus, findings: Sequence[InquiryResult], *, now: datetime, job: str) -> list[str]:
    """Store what was found out, in one transaction; return lines for people. Call under the lock.

    A chain that was revoked is good for nothing any more: the next one takes over in the same pass.
    """
    if not findings:
        return []
    events: list[Event] = []
    with store.write():
        for finding in findings:
            _settle(store, finding, now)
            events += _events(finding, now, job)
        known = bus.record(store, events)
    bus.show(known)
    return [event.text for event in events if event.kind is EventKind.CHAIN_REVOKED]


def _settle(store: Store, finding: InquiryResult, now: datetime) -> None:
    if finding.watch is not None:
        store.watches.put(finding.watch)
    elif finding.before is not None:
        store.watches.put(finding.before)
    else:
        store.watches.forget(finding.inquire.chain)
    if finding.revoked_at is not None:
        store.chains.revoke(finding.inquire.chain, finding.revoked_at)
        if finding.reason == RevocationReason.KEY_COMPROMISE:
            distrust_key(store, finding.inquire.chain, now)


def _events(finding: InquiryResult, now: datetime, job: str) -> list[Event]:
    action = finding.inquire
    detail = {"source": action.source, "names": list(action.names), "chain": action.chain}
    if finding.revoked_at is not None:
        return [revoked_event(finding.revoked_at, finding.reason, detail, now, job)]
    problem = finding.watch.problem if finding.watch else None
    if problem is None or (finding.before and finding.before.problem):
        return []  # nothing to say, or said before
    return [Event(at=now, kind=EventKind.INQUIRY_FAILED, text=str(problem["cause"]), job=job, module="", detail=detail)]


def revoked_event(at: datetime, reason: str, detail: Mapping[str, object], now: datetime, job: str) -> Event:
    """Say that a chain was revoked, and what becomes of it."""
    why = f" ({reason})" if reason else ""
    text = f"its chain was revoked at {rfc3339(at)}{why}: another one takes over"
    return Event(at=now, kind=EventKind.CHAIN_REVOKED, text=text, job=job, module="", detail=detail)

"""Never running into a limit of the CA: what was done is counted before the CA counts it.

Let's Encrypt fills its limits up again little by little: fifty certificates a week are one every 202 minutes, and fifty at
once after a quiet week. What is counted here is a sliding window: never more than fifty within any seven days. Whatever
passes it passes such a bucket too, and any CA that counts by the day or the week; it needs no state but the ledger; and
after a burst it waits longer than the CA would want.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from agent.contract.source import Ledger, Memory
from agent.errors.limits import LimitError, RateLimitAhead, RateLimitInForce, in_words
from agent.model.pause import AHEAD, Pause
from agent.sources.acme.limit_rules import (
    LimitKind,
    Rule,
    Rules,
    Scope,
    domains_of,
    registered_domain,
    scopes_of,
    set_of,
)
from agent.sources.acme.messages import ProblemDocument
from agent.system.names import WILDCARD

EVERYTHING, ORDERS, ACCOUNTS = Scope(LimitKind.EVERYTHING), Scope(LimitKind.ORDERS), Scope(LimitKind.ACCOUNTS)
LONGEST_BLOCK = timedelta(days=8)
"""No limit of a public CA lasts longer than a week."""
UNDER_WAY = timedelta(minutes=2)
"""When to try again where orders that have not ended yet may use up what is left."""
CURES = {
    LimitKind.DOMAIN: "It goes on by itself then; where the CA allows you more, set certificates_per_domain in [acme.limits].",
    LimitKind.SET: "It goes on by itself then; a chain with one more name is counted on its own.",
    LimitKind.ORDERS: "It goes on by itself then; where the CA allows you more, set orders in [acme.limits].",
    LimitKind.FAILURES: "Cure what made them fail, so that the next one passes: chainwright status",
    LimitKind.ACCOUNTS: "It goes on by itself then.",
}
FAILED = re.compile(r"failed authorizations .*?for \"([^\"\s]+)\"")
ISSUED = re.compile(r"certificates .*?already issued for \"([^\"\s]+)\"")
"""As Boulder words its refusals."""


@dataclass(frozen=True, slots=True)
class LimitUsage:
    """How much of a limit is used up."""

    limit: str
    """What is counted: "new orders"."""
    used: int
    allowed: int
    window: timedelta
    next_at: datetime | None
    """When one more is allowed again; None: now."""


@dataclass(frozen=True, slots=True)
class _Use:
    """How much of a limit is used up at an instant, orders under way included."""

    scope: Scope
    rule: Rule
    done: tuple[datetime, ...]
    under_way: int
    now: datetime

    @property
    def used(self) -> int:
        return len(self.done) + self.under_way

    @property
    def text(self) -> str:
        """How much is used up, in words."""
        done = "used up or under way" if self.under_way else "used up"
        return f"{self.used} of {self.rule.count} {self.scope.counted} in {in_words(self.rule.window)} are {done}"

    @property
    def next_at(self) -> datetime | None:
        """When one more is allowed again; None: now."""
        if self.used < self.rule.count:
            return None
        if len(self.done) < self.rule.count:
            return self.now + UNDER_WAY
        oldest = self.done[len(self.done) - self.rule.count]
        return min(oldest, self.now) + self.rule.window  # noted while the clock was ahead: not for longer than from now


class Limits:
    """The limits of one CA, for all orders of this process. Any thread may use it.

    They're kept even where a person insists (`agent.contract.source.OrderContext.forced`): the CA would refuse.
    """

    def __init__(self, ledger: Ledger, memory: Memory, rules: Rules, directory: str, ca: str) -> None:
        self._ledger = ledger
        self._memory = memory
        self._rules = rules
        self._ca = ca
        """What people call it."""
        self._place = urlsplit(directory).netloc  # what was done at one CA says nothing of another one
        self._lock = threading.Lock()
        self._under_way: Counter[Scope] = Counter()

    def check(self, names: Collection[str], now: datetime, *, exempt: bool = False, renewal: bool = False) -> None:
        """Raise `LimitError` if an order for `names` would reach a limit, with the instant at which it no longer does.

        `exempt`: it replaces a certificate inside the window that the CA suggested. `renewal`: the CA has issued a
        certificate for exactly these names before.
        """
        with self._lock:
            self._check(scopes_of(names, exempt=exempt, renewal=renewal), now)

    @contextmanager
    def order(
        self,
        names: Collection[str],
        now: datetime,
        *,
        exempt: bool = False,
        renewal: bool = False,
        begun: bool = False,
    ) -> Iterator[None]:
        """Check an order and note it, and have it counted as under way until it has ended, so that none slips through.

        `begun`: the CA has it already, from before a crash: it's neither checked nor noted again. What comes of it is noted
        by `note_issued` and `note_failures`. Raises `LimitError`.
        """
        scopes = tuple(scopes_of(names, exempt=exempt, renewal=renewal))
        held = [scope for scope in scopes if scope.kind in self._rules and scope != ORDERS]
        with self._lock:
            if not begun:
                self._check(scopes, now)
            self._under_way.update([*held, ORDERS])
        try:
            self._begin(noted=not begun and ORDERS in scopes)
            yield
        finally:
            with self._lock:
                self._under_way.subtract(held)

    def _begin(self, *, noted: bool) -> None:
        """Note an order without the lock, which takes as long as the disk; until then it counts as under way."""
        try:
            if noted:
                self._note([ORDERS])
        finally:
            with self._lock:
                self._under_way[ORDERS] -= 1

    def check_account(self, now: datetime) -> None:
        """Raise `LimitError` if a new account would reach a limit."""
        with self._lock:
            self._check((EVERYTHING, ACCOUNTS), now)

    def note_account(self) -> None:
        """Note that an account was made."""
        self._note([ACCOUNTS])

    def note_issued(self, names: Collection[str], *, exempt: bool = False, renewal: bool = False) -> None:
        """Note that a certificate was issued; one that was exempt or a renewal is not counted for its domains."""
        self._note([set_of(names), *([] if exempt or renewal else domains_of(names))])

    def note_failures(self, names: Collection[str]) -> None:
        """Note whose validation has failed: that of a domain and that of its wildcard are two of the domain's."""
        self._note(Scope(LimitKind.FAILURES, name.removeprefix(WILDCARD)) for name in sorted(set(names)))

    def block(self, scope: Scope, until: datetime, now: datetime) -> None:
        """Ask for nothing in `scope` until then, because the CA said so; survives a restart. At most for eight days."""
        with self._lock:
            blocks, until = self._blocks(now), min(until, now + LONGEST_BLOCK)
            if scope.key not in blocks or blocks[scope.key] < until:
                kept = {key: each for key, each in self._memory.read(self._memory_key).items() if key in blocks}
                self._memory.write(self._memory_key, {**kept, scope.key: f"{now.isoformat()}/{until.isoformat()}"})

    def standing(self, names: Collection[str], now: datetime) -> list[LimitUsage]:
        """Return how much is used up of each limit that an order for `names` is counted for, what the CA said included."""
        with self._lock:
            blocks = self._blocks(now)
            uses = [self._use(scope, rule, now) for scope in scopes_of(names) if (rule := self._rules.get(scope.kind))]
        return [_standing(use, blocks.get(use.scope.key)) for use in uses]

    def _check(self, scopes: Iterable[Scope], now: datetime) -> None:
        blocks = self._blocks(now)
        found = [error for scope in scopes if (error := self._refusal(scope, blocks.get(scope.key), now))]
        if found:
            worst = max(found, key=lambda error: error.retry_at or now)
            worst.failed = frozenset().union(*(error.failed for error in found))
            raise worst

    def _refusal(self, scope: Scope, until: datetime | None, now: datetime) -> LimitError | None:
        failed = frozenset({scope.subject} if scope.kind is LimitKind.FAILURES else ())
        rule = self._rules.get(scope.kind)
        use = self._use(scope, rule, now) if rule else None
        if use and use.next_at and (until is None or use.next_at >= until):
            return RateLimitAhead(self._ca, use.text, use.next_at, CURES[scope.kind], failed)
        return RateLimitInForce(self._ca, scope.refused, until, failed) if until else None

    def _use(self, scope: Scope, rule: Rule, now: datetime) -> _Use:
        noted = self._ledger.instants(self._ledger_kind(scope), scope.subject, now - rule.window)
        # What lies in the future was noted while the clock was wrong, and would count for as long.
        done = tuple(at for at in noted if now - rule.window < at <= now + AHEAD)
        return _Use(scope, rule, done, self._under_way[scope], now)

    def _note(self, scopes: Iterable[Scope]) -> None:
        for scope in scopes:
            if scope.kind in self._rules:
                self._ledger.note(self._ledger_kind(scope), [scope.subject])

    def _ledger_kind(self, scope: Scope) -> str:
        return f"{scope.kind} at {self._place}"

    @property
    def _memory_key(self) -> str:
        return f"limits of {self._place}"

    def _blocks(self, now: datetime) -> dict[str, datetime]:
        """Return those in force; none that was made while the clock was wrong."""
        known = {key: _block(text) for key, text in self._memory.read(self._memory_key).items()}
        return {key: each.until for key, each in known.items() if each.until and each.holds(now)}


def _block(text: str) -> Pause:
    """Read an interval of ISO 8601; an earlier version has noted its end alone."""
    since, _, until = text.rpartition("/")
    return Pause(datetime.fromisoformat(since) if since else None, datetime.fromisoformat(until), LONGEST_BLOCK)


def scope_of(problem: ProblemDocument, names: Collection[str]) -> Scope:
    """Return what the CA refuses with a ``rateLimited``: as narrow as its words allow, so that other orders go on."""
    if "new registrations" in problem.detail:
        return ACCOUNTS
    if "new orders" in problem.detail:
        return ORDERS
    meant = _meant(problem)
    if meant is None:
        return set_of(names) if "exact set" in problem.detail else EVERYTHING
    return meant if meant in scopes_of(names) else set_of(names)


def _meant(problem: ProblemDocument) -> Scope | None:
    if found := FAILED.search(problem.detail):
        return Scope(LimitKind.FAILURES, found[1].removeprefix(WILDCARD))
    if found := ISSUED.search(problem.detail):
        return Scope(LimitKind.DOMAIN, registered_domain(found[1]))
    return Scope(LimitKind.FAILURES, problem.name.removeprefix(WILDCARD)) if problem.name else None


def _standing(use: _Use, until: datetime | None) -> LimitUsage:
    instants = [at for at in (use.next_at, until) if at]
    return LimitUsage(use.scope.counted, use.used, use.rule.count, use.rule.window, max(instants, default=None))

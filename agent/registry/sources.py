"""Sources as the core has them: handles, which ask the code of plugins through the guard and know what may come back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from agent.contract.fields import digest_of_settings
from agent.contract.source import Due, Offer, OrderContext, RequestState, Source, SourceContext, Watch
from agent.errors.base import AgentError
from agent.errors.plugin import PASSED_OVER, PluginError, PluginHangs, SourceRaised
from agent.errors.source import SourceCrashed, SourceError
from agent.model.need import Request
from agent.model.records import ChainRecord
from agent.pki.chain import Chain
from agent.registry.answers import WrongAnswer, exactly, instant, kind_of, members, text
from agent.registry.guard import Asked, Guard, PluginFailed
from agent.registry.places import place_of_code
from agent.registry.raised_errors import check_error

T = TypeVar("T")
CORE = "agent."
"""Beginning of the modules whose sources are the core's own, and are asked directly."""
ABOUT_ACCOUNTS = re.compile(r"chainwright acme (?:rekey|deactivate|account)\b(?! --ca)")
"""Commands that ask several CAs, or none, unless one is named."""
SOONEST_RENEWAL = timedelta(minutes=10)
"""After a delivery, where a hundredth of the chain's life isn't longer."""
MOST_FILES = 1000


class SourceHandle:
    """A rung of the ladder. What a plugin's source says of itself is read once, and replaced where it can't be used."""

    def __init__(
        self,
        source: Source,
        guard: Guard | None = None,
        *,
        own: bool | None = None,
        name: str = "",
        table: str = "",
        solvers_digest: str = "",
    ) -> None:
        """`own`: whether it is the core's; None: as its class says. `name`: of its table; empty: it is called like its class.

        `table`: as people find it in the settings, where it is one of several; empty: ``[NAME]``. `solvers_digest`: of the tables
        of DNS solvers that make records for it; empty: there are none.
        """
        self.source = source
        """What it was made from: the ``[source.NAME]`` table."""
        self._guard = guard or Guard()
        self._is_own = type(source).__module__.startswith(CORE) if own is None else own
        self.name = name or source.name
        self.group = source.name
        """Sources of one group are CAs that stand in for each other: a chain of one of them is as good as one of another."""
        self._table = table or f"[{self.group}]"
        self._solvers_digest = solvers_digest
        self.failures: dict[str, PluginError] = {}
        """What can't be used of what the source says of itself, with the reason."""
        self.immediate: bool = self._flag("immediate")
        self.uses_account_key: bool = self._flag("uses_account_key")
        self.watches: bool = self._flag("watches")
        self.tells_time: bool = self._flag("tells_time")
        wanted = source.concurrency
        self.concurrency: int = wanted if isinstance(wanted, int) and wanted > 0 else Source.concurrency

    def __repr__(self) -> str:
        return f"SourceHandle({self.name})"

    def _flag(self, attribute: str) -> bool:
        return getattr(self.source, attribute) is True

    # What it says of itself

    @property
    def settings_digest(self) -> str:
        """SHA-256 of the settings, those of the DNS solvers with them: a failed order is tried again at once when they change."""
        own = self.source.settings_digest if self._is_own else self._digest
        return sha256(f"{own} {self._solvers_digest}".encode()).hexdigest() if self._solvers_digest else own

    @cached_property
    def _digest(self) -> str:
        return self._said("settings_digest", text, digest_of_settings(self.source))

    @property
    def authority(self) -> str:
        """What people call who issues its chains."""
        return self.source.authority if self._is_own else self._authority

    @cached_property
    def _authority(self) -> str:
        return self._said("authority", text, self.name) or self.name

    @property
    def key_owner(self) -> str:
        """Whose account key it uses: its own name where it has one for itself; empty: the shared one."""
        return self.name if self._is_own and getattr(self.source, "account_key", "shared") == "own" else ""

    @property
    def origin(self) -> str:
        """What its chains come from with these settings."""
        return self.source.origin if self._is_own else self._origin

    @cached_property
    def _origin(self) -> str:
        return self._said("origin", text, "")

    @property
    def named_files(self) -> tuple[str, ...]:
        """Paths of the settings, below ``--root``, that are read only when a CA is asked."""
        return self.source.named_files if self._is_own else self._named_files

    @cached_property
    def _named_files(self) -> tuple[str, ...]:
        return self._said("named_files", lambda answer: tuple(members(answer, (str,), MOST_FILES)), ())

    def _said(self, attribute: str, checked: Callable[[object], T], otherwise: T) -> T:
        try:
            return self._call(attribute, lambda: checked(getattr(self.source, attribute)))
        except PluginError as error:
            self.failures[attribute] = error
            return otherwise

    # For a plan

    def offers(self, request: Request, state: RequestState) -> Offer:
        """Ask whether it would serve a request. Raises `SourceRaised`, `PluginHangs`."""
        return self._call("offers", lambda: _offer(self.source.offers(request, state)))

    def due(self, request: Request, state: RequestState, now: datetime) -> Due:
        """Ask when a new chain is to be asked for. Raises `SourceRaised`, `PluginHangs`.

        A plugin's source isn't asked for another one right after it has delivered, again and again.
        """
        due = self._call("due", lambda: _due(self.source.due(request, state, now)))
        soonest = None if self._is_own else _soonest(state.chain)
        return Due(at=soonest, reason=due.reason) if soonest and due.at < soonest else due

    def persistent_names(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return those of `names` that a TXT record could prove for good (dns-persist-01); none of a plugin's source."""
        asked = getattr(self.source, "persistent_names", None) if self._is_own else None
        return tuple(asked(names)) if asked else ()

    def check_files(self, rooted: Callable[[str], Path]) -> None:
        """Have it check, without the network, what its orders would read. Raises `SourceError`, `SourceRaised`, `PluginHangs`."""
        with self.naming_its_table():
            self._call("check_files", lambda: self.source.check_files(rooted), (SourceError,))

    # For a CA

    def obtain(self, request: Request, context: OrderContext) -> Chain:
        """Get a chain. Raises `AgentError`, `PluginFailed`."""
        if self._is_own or not self.immediate:
            return self._here("obtain", lambda: self._obtained(request, context))
        return self._obtained_at_once(request, context)

    def _obtained_at_once(self, request: Request, context: OrderContext) -> Chain:
        """Get a chain of a plugin's source while the lock is held, within a time."""
        asked = self._asked("obtain")
        try:
            return self._guard.call(
                asked,
                lambda: self._obtained(request, context),
                contract=(AgentError,),
                most=self._guard.obtain_seconds,
            )
        except PluginHangs as error:  # as any failure of an order, so that it's tried again
            late = TimeoutError(f"it did not come to an end within {error.seconds:g} s")
            raise PluginFailed(asked, late) from error

    def inquire(self, chain: Chain, watch: Watch | None, context: SourceContext) -> Watch | None:
        """Ask about a chain that is bound. Raises `AgentError`, `PluginFailed`."""
        return self._here("inquire", lambda: self.source.inquire(chain, watch, context))

    def time(self, context: SourceContext) -> datetime:
        """Ask what time it is. Raises `AgentError`, `PluginFailed`."""
        return self._here("time", lambda: instant(self.source.time(context)))

    def revoke(self, chain: Chain, reason: str, context: SourceContext) -> None:
        """Have the CA revoke a chain. Raises `AgentError`, `SourceRaised` for what isn't the contract."""
        try:
            self._here("revoke", lambda: self.source.revoke(chain, reason, context))
        except PluginFailed as failed:
            error = SourceRaised(self.name, "revoke", failed.error, failed.place)
            error.effect = "It was not revoked."
            raise error from failed.error

    def close(self, shared: Any) -> None:
        """Close what its orders have shared. Raises `PluginFailed`, `PluginHangs`, and for an own source anything."""
        if self._is_own:
            shared.close()
        else:
            self._guard.call(self._asked("close"), shared.close)

    def _obtained(self, request: Request, context: OrderContext) -> Chain:
        try:
            chain = self.source.obtain(request, context)
        except AgentError as error:
            if not self._is_own:
                check_error(error)
            raise
        if not isinstance(chain, Chain):
            raise WrongAnswer(f"it returned {kind_of(chain)}, not a Chain")
        return chain

    # Asking

    def _asked(self, hook: str) -> Asked:
        return Asked(self._guard.plugin_of(type(self.source)), hook, f'source "{self.name}"', PASSED_OVER)

    def _call(self, hook: str, work: Callable[[], T], contract: tuple[type[BaseException], ...] = ()) -> T:
        try:
            return work() if self._is_own else self._guard.call(self._asked(hook), work, contract=contract)
        except contract:
            raise
        except PluginHangs:
            raise
        except PluginFailed as failed:
            place = failed.place or place_of_code(getattr(type(self.source), hook, None), failed.error)
            raise SourceRaised(self.name, hook, failed.error, place) from failed.error
        except Exception as error:
            raise SourceRaised(self.name, hook, error, place_of_code(getattr(type(self.source), hook, None))) from error

    def _here(self, hook: str, work: Callable[[], T]) -> T:
        if not self._is_own:
            return self._guard.here(self._asked(hook), work, contract=(AgentError,))
        with self.naming_its_table():
            return work()

    @contextmanager
    def naming_its_table(self) -> Iterator[None]:
        """Have errors of the core's source name the one of several tables that they are about."""
        try:
            yield
        except AgentError as error:
            if error.problem.where == self.group:
                error.where = self.name
            if error.problem.fix != (fix := self.of_its_table(error.problem.fix)):
                error.fix = fix
            raise

    def of_its_table(self, text: str) -> str:
        """Return what is said of ``[acme]``, or of ``[acme.limits]``, as said of the one of several tables that is meant.

        Commands about an account get the option that names it.
        """
        if self._table == f"[{self.group}]":
            return text
        below = re.compile(rf"\[{re.escape(self.group)}\.\w+\]")
        text = below.sub(rf"\g<0> of {self._table}", text.replace(f"[{self.group}]", self._table))
        return ABOUT_ACCOUNTS.sub(rf"\g<0> --ca {self.name}", text)


def offer_or_reason(source: SourceHandle, request: Request, state: RequestState) -> Offer:
    """Ask whether a source would serve a request; one that is broken declines, and the reason says why."""
    try:
        return source.offers(request, state)
    except PluginError as error:
        return Offer(serves=False, reason=error.problem.cause.rstrip("."))


def crashed(source: str, error: Exception, retry_at: datetime) -> SourceCrashed:
    """Return why a source could not deliver that has failed in a way that isn't its contract."""
    if isinstance(error, PluginFailed):
        return SourceCrashed(source, error.error, retry_at, error.place)
    return SourceCrashed(source, error, retry_at)


def _offer(answer: object) -> Offer:
    if not isinstance(answer, Offer):
        raise WrongAnswer(f"it returned {kind_of(answer)}, not an Offer")
    exactly(answer.serves, bool)
    text(answer.reason)
    return answer


def _due(answer: object) -> Due:
    if not isinstance(answer, Due):
        raise WrongAnswer(f"it returned {kind_of(answer)}, not a Due")
    instant(answer.at)
    text(answer.reason)
    return answer


def _soonest(chain: ChainRecord | None) -> datetime | None:
    """Return when the chain after one that was delivered may be asked for at the earliest."""
    if chain is None or chain.created_at is None:
        return None
    life = chain.not_after - chain.not_before
    return chain.created_at + min(life / 3, max(SOONEST_RENEWAL, life / 100))

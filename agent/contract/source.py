"""`Source`: a rung of the ladder, which obtains chains."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from agent.contract.fields import digest_of_settings
from agent.model.need import Request
from agent.model.records import ChainRecord, OrderRecord, Watch
from agent.pki.chain import Chain

if TYPE_CHECKING:
    from agent.contract.challenge_window import Windows
    from agent.contract.context import Http01
    from agent.contract.dns_solver import Dns01
    from agent.pki.anchors import Anchors
    from agent.pki.private_key import PrivateKey

__all__ = ["ChainRecord", "OrderRecord", "Watch"]  # for the core, besides the classes below

T = TypeVar("T")


def is_aware(at: datetime | None) -> bool:
    """Whether an instant has a time zone, or there is none: a naive one would be taken for the local time of the machine."""
    return at is None or at.utcoffset() is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestState:
    """State of a request, for `offers` and `due`."""

    chain: ChainRecord | None
    """This source's newest good chain for the request."""
    bound: ChainRecord | None
    """The chain that the request's needs are bound to, from any source."""
    order: OrderRecord | None
    root: str | None
    """SHA-256 of the present root."""
    watch: Watch | None = None
    """What this source's CA says of `chain`."""
    sent_with_root: tuple[str, ...] = ()
    """SHA-256 of what chains of the present root are to be sent with, for clients that know only another root."""
    root_until: datetime | None = None
    """When the present root ends: what it signs doesn't outlive it."""
    dns_zones: tuple[str, ...] = ()
    """Zones of the ``[dns.NAME]`` tables, whose names can be proved by DNS-01; an empty text: every zone."""
    persistent: frozenset[str] = frozenset()
    """Names, also ``*.x``, for which a lasting record was seen in DNS that lets this source's CA issue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Answer of a source: whether it would serve a request; `reason` completes "local by design: ..." when not."""

    serves: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """Instant at which a new chain is to be asked for, with the reason."""

    at: datetime
    """With a time zone. Raises ValueError without one."""
    reason: str

    def __post_init__(self) -> None:
        if not isinstance(self.at, datetime) or not is_aware(self.at):
            shown = "no datetime" if not isinstance(self.at, datetime) else "a datetime without a time zone"
            raise ValueError(f"the instant of Due is {shown}; write for example now + timedelta(days=30)")


class Memory(Protocol):
    """Key-value store of a source, beyond one order and beyond a restart; sealed, and durable at once."""

    def read(self, key: str) -> Mapping[str, Any]:
        """Return what was written last; empty at first."""

    def write(self, key: str, state: Mapping[str, Any]) -> None:
        """Keep `state` (JSON types) on disk; an empty one is forgotten."""


class Ledger(Protocol):
    """Record of a source's actions with their instants, to respect limits of its CA; kept for some days."""

    def note(self, kind: str, subjects: Iterable[str]) -> None:
        """Write down, durably and with the present instant, that `kind` was done to each of `subjects`."""

    def instants(self, kind: str, subject: str, since: datetime) -> list[datetime]:
        """Return when `kind` was done to `subject` since then, the earliest first."""


class SourceContext(Protocol):
    """Services passed to a source: key-value store, ledger, progress. May be used from several threads."""

    @property
    def memory(self) -> Memory:
        """Key-value store of the source."""

    @property
    def ledger(self) -> Ledger:
        """Record of the source's actions."""

    @property
    def http01(self) -> Http01:
        """Where answers to HTTP-01 challenges go."""

    @property
    def dns01(self) -> Dns01:
        """Where answers to DNS-01 challenges go."""

    @property
    def anchors(self) -> Anchors:
        """Certificates that this machine trusts: the system's roots, its own, and those of the administrator's directory."""

    def account_key(self) -> PrivateKey:
        """Return the appliance's ACME account key, whose thumbprint is in `http01`; only if `Source.uses_account_key`."""

    @property
    def windows(self) -> Windows:
        """What opens the way to this machine as long as a CA looks."""

    def shared(self, make: Callable[[], T]) -> T:
        """Return one object for all that this source does with its present settings in this process.

        `make` is called at the first time. The object's `close()`, where it has one, is called when the agent stops or
        the settings of the source have changed and nothing uses it any more.
        """

    def rooted(self, path: str) -> Path:
        """Return a path of the settings below ``--root``."""

    def progress(self, step: str, text: str = "") -> None:
        """Tell what is being done; shown live."""

    @property
    def cancelled(self) -> bool:
        """Whether the agent wants to stop: return as soon as it's safe, by raising `agent.errors.OrderCancelled`."""

    def wait(self, seconds: float) -> None:
        """Sleep, but wake up when cancelled."""

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> bytes:
        """Run a program as `run_program` does. Raises `ProgramFailed`, and when cancelled `OrderCancelled`."""

    def now(self) -> datetime:
        """Return the present instant, UTC."""


class OrderContext(SourceContext, Protocol):
    """Services passed to `Source.obtain` for one order."""

    @property
    def saved(self) -> Mapping[str, Any]:
        """What was saved last, also by a process that has died since; empty at first."""

    def save(self, state: Mapping[str, Any]) -> None:
        """Keep `state` (JSON types; sealed like a key) on disk before the side effect that it makes possible to resume."""

    @property
    def attempts(self) -> int:
        """Failures in a row before this try, those that don't count left out (`SourceError.counts`)."""

    @property
    def forced(self) -> bool:
        """Whether a person insists: leave out checks whose only purpose is to spare the CA."""

    @property
    def replaced(self) -> Chain | None:
        """The chain of this source that the new one takes the place of, good or not; None at the first order."""

    def key_for(self, request: Request) -> PrivateKey:
        """Return the key for a chain: a new one, or where the module keeps its key the present or the next one.

        An order that goes on after a restart goes on with the key that it has saved.
        """

    def remark(self, sentence: str) -> None:
        """Say something that an administrator should know of the chain that is about to be delivered; no full stop."""

    def issue(self, request: Request, lifetime: timedelta) -> Chain:
        """Have the appliance's own root sign a chain, with the key of `key_for`. Raises `agent.errors.RootError`."""


class Source(BaseModel, ABC):
    """Rung of the ladder: a class is a plugin's declaration, an instance the operator's ``[source.NAME]`` table.

    `offers` and `due` are pure; `obtain` is resumable, shows progress, can be cancelled.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    immediate: ClassVar[bool] = False
    """Needs no network: obtained in the same pass, under the lock, before anything else."""
    uses_account_key: ClassVar[bool] = False
    """The core makes an ACME account key before the first deployment, and tells the services its thumbprint."""
    watches: ClassVar[bool] = False
    """`inquire` has something to ask about a chain that is bound."""
    tells_time: ClassVar[bool] = False
    """`time` can be asked: over a connection whose server is verified."""
    concurrency: ClassVar[int] = 4
    """Orders that run at the same time."""

    @property
    def settings_digest(self) -> str:
        """SHA-256 of the settings: a failed order is tried again at once when they change."""
        return digest_of_settings(self)

    @property
    def authority(self) -> str:
        """What people call who issues its chains."""
        return self.title or self.name

    @property
    def origin(self) -> str:
        """What its chains come from with these settings, the URL of a CA; empty: there is nothing that settings change.

        While a chain of another origin is in service, that is said.
        """
        return ""

    @property
    def named_files(self) -> tuple[str, ...]:
        """Paths of the settings, below ``--root``, that are read only when a CA is asked: a pass follows their changes."""
        return ()

    def check_files(self, rooted: Callable[[str], Path]) -> None:
        """Check in each pass, without the network, that an order could use them; `rooted` as in `SourceContext`.

        Raises `agent.errors.SourceError`, as the order would.
        """

    @abstractmethod
    def offers(self, request: Request, state: RequestState) -> Offer:
        """Whether this source would serve `request`. A rung that can't serve a name declines."""

    @abstractmethod
    def due(self, request: Request, state: RequestState, now: datetime) -> Due:
        """When a new chain is to be asked for, given that this source serves the request."""

    @abstractmethod
    def obtain(self, request: Request, context: OrderContext) -> Chain:
        """Get a chain. Raises `agent.errors.SourceError`, whose `retry_at` is None when only a change helps."""

    def inquire(self, chain: Chain, watch: Watch | None, context: SourceContext) -> Watch | None:
        """Ask the CA about a chain of this source that is bound; `watch` is what it said before.

        Raises `agent.errors.SourceError`; it's asked again at its `retry_at`.
        """
        return None

    def time(self, context: SourceContext) -> datetime:
        """Return what the CA's clock shows, with a time zone; asked while this machine's isn't believed.

        Raises `agent.errors.SourceError` where the CA can't be asked.
        """
        raise NotImplementedError

    def revoke(self, chain: Chain, reason: str, context: SourceContext) -> None:
        """Have the CA revoke a chain; `reason` is a CRLReason of RFC 5280 section 5.3.1. Raises `agent.errors.SourceError`."""
        from agent.errors.source import NotRevocable

        raise NotRevocable(self.name)

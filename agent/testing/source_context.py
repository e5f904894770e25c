"""`SourceContext` and `OrderContext` in memory: for tests of a source alone, with nothing of the core around it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from agent.contract.challenge_window import ChallengeWindow
from agent.contract.context import Http01
from agent.contract.dns_solver import Dns01, TxtRecord
from agent.errors import OrderCancelled
from agent.errors.challenges import WindowUnopened
from agent.pki.account_key import make_account_key, thumbprint
from agent.pki.anchors import Anchors
from agent.pki.authority import Root
from agent.pki.chain import Chain
from agent.pki.key import generate_key
from agent.registry.dns_solvers import is_within
from agent.system.command import Command
from agent.system.program import ProgramFailed, run_program

if TYPE_CHECKING:
    from agent.model.need import Request
    from agent.pki.private_key import PrivateKey

T = TypeVar("T")


def utc_now() -> datetime:
    """Return the present instant."""
    return datetime.now(UTC)


class Remembering:
    """`agent.contract.source.Memory`."""

    def __init__(self) -> None:
        self.entries: dict[str, dict[str, Any]] = {}

    def read(self, key: str) -> Mapping[str, Any]:
        """Return what was written last."""
        return dict(self.entries.get(key, {}))

    def write(self, key: str, state: Mapping[str, Any]) -> None:
        """Keep it."""
        self.entries[key] = dict(state)


class Noting:
    """`agent.contract.source.Ledger`."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.rows: list[tuple[str, str, datetime]] = []

    def note(self, kind: str, subjects: Iterable[str]) -> None:
        """Write it down."""
        self.rows += [(kind, subject, self.now()) for subject in subjects]

    def instants(self, kind: str, subject: str, since: datetime) -> list[datetime]:
        """Return when it was done."""
        return sorted(at for each, of, at in self.rows if (each, of) == (kind, subject) and at >= since)


@dataclass
class KeptRecords:
    """`agent.contract.dns_solver.Dns01` that keeps what is published: no DNS is asked."""

    zones: tuple[str, ...] = ("",)
    """What it serves; an empty text: every zone."""
    aliases: dict[str, str] = field(default_factory=dict)
    """Owner -> where its CNAME record leads to."""
    records: list[TxtRecord] = field(default_factory=list)
    calls: list[tuple[str, tuple[TxtRecord, ...]]] = field(default_factory=list)

    def solver_for(self, domain: str) -> str | None:
        """Return the table that serves it."""
        name = self.where(domain).name
        return "kept" if any(is_within(name, zone) for zone in self.zones) else None

    def alias_of(self, domain: str) -> str:
        """Return where its record's name leads to."""
        return self.aliases.get(f"_acme-challenge.{domain}", "")

    def where(self, domain: str) -> TxtRecord:
        """Return the owner of its record."""
        name = f"_acme-challenge.{domain}"
        zones = sorted((zone for zone in self.zones if is_within(name, zone)), key=len)
        return TxtRecord(name=self.aliases.get(name, name), value="", zone=zones[-1] if zones else "", domain=domain)

    def publish(self, records: Sequence[TxtRecord]) -> None:
        """Keep them."""
        self.calls.append(("publish", tuple(records)))
        self.records += [each for each in records if each not in self.records]

    def withdraw(self, records: Sequence[TxtRecord]) -> None:
        """Keep them no longer."""
        self.calls.append(("withdraw", tuple(records)))
        self.records = [each for each in self.records if each not in records]


class RunWindows:
    """`agent.contract.challenge_window.Windows` that runs the commands, and keeps nothing."""

    def __init__(self, context: FakeSourceContext) -> None:
        self._context = context
        self.closing: dict[str, list[Command]] = {}
        """By the id of a window that is open, what closes it."""

    def open(
        self,
        window: ChallengeWindow,
        own: Callable[[ChallengeWindow], Command | None],
        retry_at: datetime | None = None,
    ) -> bool:
        """Open it."""

        def commands(asked: ChallengeWindow) -> list[Command]:
            return [*([command] if (command := own(asked)) else []), *self._context.opens(asked).values()]

        opening, self.closing[window.id] = commands(window), commands(replace(window, action="close"))
        for each in opening:
            try:
                run_program(each.argv, timeout=each.timeout, environment=each.environment)
            except ProgramFailed as error:
                self.close(window.id)
                raise WindowUnopened(each.argv[0], str(error), window.names, retry_at, error.said) from error
        return bool(opening)

    def close(self, window_id: str) -> str:
        """Close it; where that fails, it stays in `closing`."""
        for each in self.closing[window_id]:
            try:
                run_program(each.argv, timeout=each.timeout, environment=each.environment)
            except ProgramFailed as error:
                return str(error)
        del self.closing[window_id]
        return ""


@dataclass
class FakeSourceContext:
    """`agent.contract.source.SourceContext` for one source of one appliance; `for_order` gives an order's on top of it."""

    webroot: Path
    clock: Callable[[], datetime] = utc_now
    key: PrivateKey = field(default_factory=make_account_key)
    root: Path = Path("/")
    steps: list[tuple[str, str]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    pause: Callable[[float], object] | None = None
    """Called in the place of a wait."""
    anchors: Anchors = field(default_factory=Anchors)
    """Nothing is trusted, as for a test CA."""
    dns01: Dns01 = field(default_factory=KeptRecords)
    opens: Callable[[ChallengeWindow], Mapping[str, Command]] = lambda _window: {}
    """Return by plugin what opens or closes a window."""

    def __post_init__(self) -> None:
        self.memory = Remembering()
        self.windows = RunWindows(self)
        self.ledger = Noting(self.now)
        self.http01 = Http01(webroot=self.webroot, thumbprint=thumbprint(self.key))
        self._shared: list[Any] = []
        self._lock = threading.Lock()

    def account_key(self) -> PrivateKey:
        """Return the account key."""
        return self.key

    def shared(self, make: Callable[[], T]) -> T:
        """Return the one object that is shared."""
        with self._lock:
            if not self._shared:
                self._shared.append(make())
            found: T = self._shared[0]
            return found

    def rooted(self, path: str) -> Path:
        """Return a path below the root."""
        return self.root / Path(path).relative_to("/")

    def progress(self, step: str, text: str = "") -> None:
        """Remember what is being done."""
        self.steps.append((step, text))

    @property
    def cancelled(self) -> bool:
        """Whether `stop` is set."""
        return self.stop.is_set()

    def wait(self, seconds: float) -> None:
        """Wait, or call `pause`."""
        (self.pause or self.stop.wait)(seconds)

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> bytes:
        """Run a program."""
        try:
            return run_program(argv, stdin=stdin, timeout=timeout, stopping=self.stop.is_set)
        except ProgramFailed:
            if self.cancelled:
                raise OrderCancelled("source") from None
            raise

    def now(self) -> datetime:
        """Return the present instant."""
        return self.clock()

    @cached_property
    def own_root(self) -> Root:
        """The appliance's own root, made when it is first needed."""
        return Root.create("Test Root CA", "", self.now(), self.now() - timedelta(days=30))

    def for_order(self, **options: Any) -> FakeOrderContext:
        """Return the context of an order."""
        return FakeOrderContext(self, **options)

    def close(self) -> None:
        """Close what is shared."""
        for each in self._shared:
            each.close()
        self._shared.clear()


@dataclass
class FakeOrderContext:
    """`agent.contract.source.OrderContext` for one order. Give it `saved` to go on where another one stopped."""

    source_context: FakeSourceContext
    attempts: int = 0
    forced: bool = False
    replaced: Chain | None = None
    saved: dict[str, Any] = field(default_factory=dict)
    on_save: Callable[[Mapping[str, Any]], None] | None = None
    """Called after each save: a test may raise there, as a crash would."""
    remarks: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.source_context, name)

    def key_for(self, request: Request) -> PrivateKey:
        """Return a new key."""
        return generate_key(request.key_type)

    def issue(self, request: Request, lifetime: timedelta) -> Chain:
        """Have the own root sign a chain."""
        names, now = sorted(request.names), self.source_context.now()
        return self.source_context.own_root.issue(names, request.key_type, request.purpose, now, lifetime)

    def remark(self, sentence: str) -> None:
        """Remember what is said of the chain."""
        self.remarks.append(sentence)

    def save(self, state: Mapping[str, Any]) -> None:
        """Keep the state."""
        self.saved = dict(state)
        if self.on_save:
            self.on_save(state)

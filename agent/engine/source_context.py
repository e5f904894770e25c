"""Services passed to a source: memory, ledger, progress, the account key, and one object for all its orders."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from agent.config.settings import Dns01Settings
from agent.contract.context import Http01
from agent.contract.source import Ledger, Memory
from agent.engine.bus import Bus
from agent.engine.clock_notes import doubt_of
from agent.engine.shared_objects import SharedObjects
from agent.engine.write_queue import Writer
from agent.errors.plugin import PluginHangs
from agent.errors.source import OrderCancelled
from agent.errors.upload import TrustUnreadable
from agent.errors.wording import reason_of
from agent.model.events import Event, EventKind
from agent.model.pause import back_off
from agent.registry.dns_solvers import DnsHandle
from agent.registry.guard import PluginFailed
from agent.registry.sources import SourceHandle
from agent.registry.window_askers import WindowAsker
from agent.system.layout import Layout
from agent.system.program import ProgramFailed, run_program

if TYPE_CHECKING:
    from cryptography import x509

    from agent.contract.challenge_window import ChallengeWindow, Windows
    from agent.contract.dns_solver import Dns01
    from agent.dns.lookups import Lookups
    from agent.pki.anchors import Anchors
    from agent.pki.private_key import PrivateKey
    from agent.store import Store
    from agent.system.command import Command

T = TypeVar("T")
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class DnsParts:
    """What records that prove names are made with."""

    solvers: Mapping[str, DnsHandle] = field(default_factory=dict)
    """By the name of the table."""
    settings: Dns01Settings = field(default_factory=Dns01Settings)
    lookups: Callable[[Dns01Settings], Lookups] | None = None
    """Return what asks DNS; None: a new one."""


@dataclass(frozen=True)
class SourceServices:
    """Parts that the contexts of one pass share."""

    writer: Writer
    bus: Bus
    clock: Clock
    layout: Layout
    http01: Http01
    shared: SharedObjects
    job: str = ""
    dns: DnsParts = field(default_factory=DnsParts)
    askers: Sequence[WindowAsker] = ()
    """Plugins that open a firewall as long as a CA looks."""

    @cached_property
    def anchors(self) -> Anchors:
        """Certificates that this machine trusts; without those of the administrator's directory where that can't be read.

        An order is not to fail because of it: the settings are where that is said.
        """
        from agent.pki.anchors import SYSTEM_BUNDLE, Anchors, load_anchors

        own = self.writer.read(_own_roots)
        known = load_anchors(self.layout, own=own)
        try:
            iter(known)
        except TrustUnreadable:
            return Anchors(own, None, SYSTEM_BUNDLE)
        return known


class SourceMemory:
    """`agent.contract.source.Memory` of one source."""

    def __init__(self, writer: Writer, source: str) -> None:
        self._writer = writer
        self._source = source

    def read(self, key: str) -> Mapping[str, Any]:
        """Return what was written last; empty at first."""
        return self._writer.read(lambda store: store.memories.read(self._source, key))

    def write(self, key: str, state: Mapping[str, Any]) -> None:
        """Keep `state` on disk; an empty one is forgotten."""
        self._writer.write(lambda store: store.memories.write(self._source, key, state))


class SourceLedger:
    """`agent.contract.source.Ledger` of one source."""

    def __init__(self, writer: Writer, source: str, clock: Clock) -> None:
        self._writer = writer
        self._source = source
        self._clock = clock

    def note(self, kind: str, subjects: Iterable[str]) -> None:
        """Write down, durably, that `kind` was done to each of `subjects` now."""
        done_to, now = tuple(subjects), self._clock()
        self._writer.write(lambda store: store.ledger.note(self._source, kind, done_to, now))

    def instants(self, kind: str, subject: str, since: datetime) -> list[datetime]:
        """Return when `kind` was done to `subject` since then, the earliest first."""
        return self._writer.read(lambda store: store.ledger.instants(self._source, kind, subject, since))


class StoredSourceContext:
    """`agent.contract.source.SourceContext` for one source. Memory, ledger and shared object outlive it."""

    def __init__(
        self,
        services: SourceServices,
        source: SourceHandle,
        stop: threading.Event,
        about: Mapping[str, Any],
        *,
        holds: bool = False,
    ) -> None:
        """`about`: subject of the progress, for its events. `holds`: it is left while the machine's clock isn't believed."""
        self._services = services
        self._source = source
        self._stop = stop
        self._about = about
        self._holds = holds
        self.memory: Memory = SourceMemory(services.writer, source.name)
        self.ledger: Ledger = SourceLedger(services.writer, source.name, services.clock)
        self.http01 = _answers_of(services, source.key_owner)

    def account_key(self) -> PrivateKey:
        """Return the appliance's ACME account key, or the source's own. Raises `SealBroken`."""
        owner = self._source.key_owner
        key = self._services.writer.read(lambda store: store.account_keys.load(source=owner))
        if key is None:
            raise LookupError(
                f"{type(self._source.source).__name__} asks for the account key without `uses_account_key`"
            )
        return key

    @property
    def anchors(self) -> Anchors:
        """Certificates that this machine trusts."""
        return self._services.anchors

    @property
    def attempts(self) -> int:
        """Failures in a row before this try."""
        return 0

    @property
    def order(self) -> tuple[str, str]:
        """Id of the request, empty where it is about none, and source."""
        return "", self._source.name

    @cached_property
    def dns01(self) -> Dns01:
        """Where answers to DNS-01 challenges go."""
        from agent.dns.lookups import Lookups
        from agent.dns.solver_context import SolverContext
        from agent.engine.dns_publishing import StoredDns01

        dns = self._services.dns
        lookups = dns.lookups(dns.settings) if dns.lookups else Lookups()
        asking = SolverContext(
            self.rooted, self.now, lambda: self.cancelled, lambda text: self.progress("publishing", text)
        )
        return StoredDns01(
            dns.solvers,
            lookups,
            asking,
            self._services.writer,
            self.order,
            lambda: self.now() + back_off(self.attempts + 1),
            dns.settings.seconds,
        )

    @cached_property
    def windows(self) -> Windows:
        """What opens the way to this machine as long as a CA looks."""
        from agent.engine.challenge_windows import StoredWindows

        return StoredWindows(self._services.writer, self.now, self.order, self._window_commands)

    def _window_commands(self, window: ChallengeWindow) -> dict[str, Command]:
        """Return by plugin what opens or closes a window; one that raises or hangs is told, and left out."""
        found: dict[str, Command] = {}
        for each in self._services.askers:
            try:
                command = each.command(window)
            except PluginFailed as failed:
                self._note_unasked(failed.plugin, reason_of(failed.error))
            except PluginHangs as error:
                self._note_unasked(error.plugin, error.problem.cause)
            else:
                found |= {each.plugin: command} if command else {}
        return found

    def _note_unasked(self, plugin: str, why: str) -> None:
        text = f"The plugin {plugin} could not say how a challenge window is opened and closed: {why.rstrip('.')}."
        event = Event(
            at=self.now(), kind=EventKind.PLUGIN_FAILED, text=text, job=self._services.job, detail={"plugin": plugin}
        )
        self._services.bus.mention(self._services.writer.later, event)

    def shared(self, make: Callable[[], T]) -> T:
        """Return one object for all that this source does with its present settings in this process."""
        return self._services.shared.of(self._source, make)

    def rooted(self, path: str) -> Path:
        """Return where a path of the settings is: below ``--root``."""
        return self._services.layout.rooted(path)

    def progress(self, step: str, text: str = "") -> None:
        """Put a step on the bus."""
        detail = {"source": self._source.name, "step": step, **self._about}
        event = Event(
            at=self.now(),
            kind=EventKind.ORDER_STEP,
            text=text or step,
            job=self._services.job,
            module="",
            detail=detail,
        )
        self._services.bus.mention(self._services.writer.later, event)

    @property
    def cancelled(self) -> bool:
        """Whether the agent wants to stop, or what it asks for has to wait."""
        return self._stop.is_set() or self.held

    @property
    def held(self) -> bool:
        """Whether it waits until the machine's clock is believed."""
        return self._holds and doubt_of(self._services.clock) is not None

    def wait(self, seconds: float) -> None:
        """Sleep, but wake up when cancelled."""
        self._stop.wait(max(0.0, seconds))

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> bytes:
        """Run a program. Raises `ProgramFailed`, and when cancelled `OrderCancelled`."""
        try:
            return run_program(argv, stdin=stdin, timeout=timeout, stopping=lambda: self.cancelled)
        except ProgramFailed:
            if self.cancelled:
                raise OrderCancelled(self._source.name) from None
            raise

    def now(self) -> datetime:
        """Return the present instant, UTC."""
        return self._services.clock()


def _answers_of(services: SourceServices, owner: str) -> Http01:
    """Return where answers go, with the thumbprint of the key that a source uses."""
    if not owner:
        return services.http01
    present = services.writer.read(lambda store: store.account_keys.present(owner))
    return replace(services.http01, thumbprint=present.thumbprint if present else None)


def _own_roots(store: Store) -> tuple[x509.Certificate, ...]:
    from agent.pki.certificate import load_certificates

    return tuple(each for root in store.roots.all() for each in load_certificates(root.certificates.encode()))

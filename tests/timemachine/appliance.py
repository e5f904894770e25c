"""A simulated appliance: the real engine over a simulated clock, wire and CAs, in a directory in memory."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from agent.config.loading import load
from agent.engine.bus import Listener
from agent.engine.engine import Engine, Result
from agent.engine.recheck import Recheck
from agent.engine.unchanged_settings import Loaded
from agent.errors import AgentError
from agent.health import assessment
from agent.health.assessment import Health
from agent.health.snapshot import Snapshot
from agent.model.finding import SubjectKind
from agent.model.need import HostFacts
from agent.operations.locked_state import locked_state
from agent.operations.uploads import delete_upload, store_upload
from agent.pki.chain import Chain
from agent.report.snapshot import read_snapshot
from agent.sources import LocalSource, UploadedSource
from agent.system.clock import Clock
from agent.system.layout import Layout
from timemachine.ca import Authority
from timemachine.clock import MachineClock
from timemachine.sources import sources_of
from timemachine.wire import FIRST_PORT, Wire

PLUGIN = Path(__file__).parent / "sites.py"
HOST = HostFacts(name="gw", addresses=("192.0.2.1",))
MEMORY = Path("/dev/shm")


@dataclass
class Site:
    """One name with the kind of its chain, and the module that serves it."""

    name: str
    kind: str
    """``names``, ``own`` or ``alone``: the table of the module that it is in."""
    module: str


@dataclass
class Appliance:
    """One appliance and its world."""

    root: Path
    seed: int
    sites: list[Site]
    clock: MachineClock = field(default_factory=MachineClock)
    wire: Wire = field(default_factory=Wire)
    ladder: tuple[str, ...] = ("uploaded", "acme", "company", "local")
    root_days: int = 3650
    broken_method: str = ""
    """What of the plugin's source raises."""
    broken_modules: dict[str, str] = field(default_factory=dict)
    """Module -> the method of it that raises."""

    def __post_init__(self) -> None:
        self.layout = Layout(self.root)
        self.believed = Clock(self.root, self.clock)
        """The agent's clock: the time that it believes."""
        begin = self.clock.true
        self.ca = Authority("Simulated CA", self.seed, begin)
        self.company = Authority("Company CA", self.seed + 1_000_000, begin)
        acme, own = sources_of(self.ca, self.company, lambda: self.clock.true, lambda: self.broken_method)
        self._built_in = (UploadedSource, acme, own, LocalSource)
        self._loaded: Loaded | None = None
        self.layout.plugins.mkdir(parents=True)
        self.layout.trust.mkdir()
        shutil.copy(PLUGIN, self.layout.plugins)
        for authority in (self.ca, self.company):
            (self.layout.trust / f"{authority.title.split()[0]}.pem").write_bytes(authority.root_pem)
        for module in self.modules:
            self.wire.add(module, self.layout.module(module).live)
        self.configure()

    @property
    def modules(self) -> list[str]:
        """Return the modules in their order."""
        return list(dict.fromkeys(site.module for site in self.sites))

    def configure(self) -> None:
        """Write the settings."""
        lines = [f"sources = {list(self.ladder)}", 'hostname = "gw"', 'addresses = ["192.0.2.1"]']
        lines += [
            "[probe]",
            "interval = 604800",
            "timeout = 0.01",
            "[root]",
            f"lifetime_days = {self.root_days}",
            "[source.local]",
            "lifetime_days = 90",
            "[acme]",
            "preflight = false",
        ]
        for number, module in enumerate(self.modules):
            lines += [f"[modules.{module}]", 'plugin = "sites"', f"port = {FIRST_PORT + number}"]
            lines += [f'broken = "{self.broken_modules.get(module, "")}"']
            for kind in ("names", "own", "alone"):
                found = [site.name for site in self.sites if (site.module, site.kind) == (module, kind)]
                lines += [f"{kind} = {found}"]
        self.layout.settings.write_text("\n".join(lines) + "\n")
        self._loaded = None

    def load(self, layout: Layout) -> Loaded:
        """Load the settings once for each time that they are written: a process of the agent does the same."""
        if self._loaded is None:
            self._loaded = load(layout, self._built_in)
        return self._loaded

    def engine(self, **options: object) -> Engine:
        """Return the engine of a new process."""
        return Engine(
            self.layout,
            clock=self.believed,
            runner=self.wire,
            prober=self.wire,  # type: ignore[arg-type]
            host=lambda _settings: HOST,
            loader=self.load,
            who="timemachine",
            **options,  # type: ignore[arg-type]
        )

    def apply(self, *listeners: Listener, recheck: Recheck = Recheck.NOTHING) -> Result:
        """Make passes until nothing is due."""
        return self.engine(listeners=listeners).apply(wait=0, recheck=recheck)

    def boot(self) -> None:
        """Do what firmware does: files for services, then these."""
        self.clock.boot()
        self.engine().boot()
        for module in self.modules:
            self.wire.start(module)

    def world(self) -> dict[str, object]:
        """Return what others than the agent have seen, to be taken over from a process that was killed."""
        return {
            "services": {name: replace(each) for name, each in self.wire.services.items()},
            "asked": {each.title: (each.issued, dict(each.asked)) for each in (self.ca, self.company)},
            "unserved": self.wire.unserved,
        }

    def take_world(self, world: dict[str, Any]) -> None:
        """Take over what `world` returned in another process."""
        self.wire.services = world["services"]
        self.wire.unserved = world["unserved"]
        for each in (self.ca, self.company):
            each.issued, asked = world["asked"][each.title]
            each.asked = defaultdict(list, asked)

    def upload(self, chain: Chain) -> None:
        """Store a chain as an administrator does."""
        with locked_state(self.engine()) as state:
            store_upload(state, chain, keep_unused=True)

    def delete(self, chain: str) -> None:
        """Delete an upload as an administrator does, if it is there."""
        with locked_state(self.engine()) as state, contextlib.suppress(AgentError):
            delete_upload(state, chain, confirmed=True)

    def names_by_module(self) -> dict[str, list[str]]:
        """Return the names that each module serves."""
        found: dict[str, list[str]] = defaultdict(list)
        for site in self.sites:
            found[site.module].append(site.name)
        return found

    def snapshot(self) -> Snapshot:
        """Return what the agent knows, at what it believes to be now."""
        belief, now = self.believed.belief(), self.believed()
        snapshot = read_snapshot(self.layout, now, belief)
        # It reads the settings again when the checkout or the machine has changed since the pass, without the sources of this
        # appliance. A pass that can't use them fails, which is told of.
        known = tuple(each for each in snapshot.conditions if each.kind is not SubjectKind.SETTINGS)
        return replace(snapshot, conditions=known)

    def health(self, snapshot: Snapshot | None = None) -> Health:
        """Return what the agent says of itself."""
        return assessment.health(snapshot or self.snapshot(), self.believed())


@contextmanager
def appliance(seed: int, sites: Sequence[Site], **options: Any) -> Iterator[Appliance]:
    """Give an appliance in memory that has not been started, and remove it."""
    place = MEMORY if MEMORY.is_dir() else None
    root = Path(tempfile.mkdtemp(prefix="cw-time-", dir=place))
    try:
        yield Appliance(root, seed, list(sites), **options)
    finally:
        shutil.rmtree(root)

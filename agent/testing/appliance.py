"""A throw-away appliance: a directory of its own, and an engine in this process."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

from agent.contract.endpoint import StartTLS
from agent.engine.engine import Engine, Result
from agent.engine.unchanged_settings import Loader, load_settings
from agent.model.deployment import Deployment, Step
from agent.model.events import Event, EventKind
from agent.operations.locked_state import locked_state
from agent.pki.chain import Chain
from agent.probing.probe import Prober
from agent.report import read_snapshot, report
from agent.store import Store
from agent.system.layout import Layout
from agent.system.trust import OTHERS_WRITE
from agent.testing.client import presented
from agent.testing.clock import Clock
from agent.testing.runner import CountingRunner
from agent.testing.sample_ca import SampleCa
from agent.testing.toml import document

T = TypeVar("T")
LADDER = re.compile("^sources = ", re.MULTILINE)
NO_CA = 'sources = ["uploaded", "local"]\n'
DEFAULTS: Mapping[str, object] = {
    "sources": ["uploaded", "local"],
    "hostname": "gw",
    "addresses": ["127.0.0.1"],
    "probe": {"timeout": 5},
    "dane": {"check": False},
}
"""Settings of an appliance whose test says nothing else: nothing is asked beyond this machine."""


class Killed(BaseException):
    """The end of a process, as by a power cut: what comes after this point in it never happens."""


@contextmanager
def short_directory() -> Iterator[Path]:
    """Give a directory with a short name, as UNIX sockets need it, that services' unprivileged processes reach."""
    root = Path(tempfile.mkdtemp(prefix="cw-"))
    root.chmod(0o755)
    try:
        yield root
    finally:
        shutil.rmtree(root)


@dataclass
class Appliance:
    """One appliance. Write its settings, then `apply`."""

    root: Path
    clock: Clock = field(default_factory=Clock)
    runner: CountingRunner = field(default_factory=CountingRunner)
    events: list[Event] = field(default_factory=list)
    """What has happened, in order."""
    names: dict[str, Sequence[str] | str] = field(default_factory=dict)
    """Host name -> addresses, or why it doesn't resolve: what the engine is told by its resolver."""
    asked: list[str] = field(default_factory=list)
    """Names that the resolver was asked for."""
    loader: Loader = field(default=load_settings, repr=False)
    """Reads settings and plugins for the engine."""
    prober: Prober = field(default_factory=Prober, repr=False)
    """Looks at services for the engine."""

    def __post_init__(self) -> None:
        self.layout = Layout(self.root)
        self.layout.plugins.mkdir(parents=True)
        self.layout.run.mkdir(parents=True)

    @classmethod
    @contextmanager
    def make(cls, **options: Any) -> Iterator[Self]:
        """Give an appliance, and remove it with all that it has started."""
        with short_directory() as root:
            appliance = cls(root, **options)
            try:
                yield appliance
            finally:
                appliance.close()

    def close(self) -> None:
        """End what was started here."""

    # Settings and plugins

    def settings(self, given: str | Mapping[str, object]) -> None:
        """Write the settings: TOML, or tables. A ladder that they don't name has no CA in it."""
        if isinstance(given, str):
            self.layout.settings.write_text(given if LADDER.search(given) else NO_CA + given)
        else:
            self.layout.settings.write_text(document({**DEFAULTS, **given}))
            self.layout.settings.chmod(0o600)  # secrets may be in it

    def install(self, plugin: Path) -> None:
        """Install a plugin as a drop-in: a file with the templates beside it, or a package."""
        placed = self.layout.plugins / plugin.name
        if plugin.is_dir():
            shutil.copytree(plugin, placed, dirs_exist_ok=True)
        else:
            shutil.copy(plugin, placed)
            templates = plugin.parent / "templates"
            if templates.is_dir():
                shutil.copytree(templates, self.layout.plugins / "templates", dirs_exist_ok=True)
        for each in (placed, *placed.rglob("*")):
            each.chmod(each.stat().st_mode & ~OTHERS_WRITE)  # as a checkout may allow

    def override(self, name: str, text: str) -> Path:
        """Write a template of the operator's: ``tunnel/toyd.conf.j2``."""
        path = self.layout.templates / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    # Passes

    def engine(self, *listeners: Callable[[Event], None]) -> Engine:
        """Return a new engine, as each process has its own."""
        return Engine(
            self.layout,
            clock=self.clock,
            runner=self.runner,
            loader=self.loader,
            prober=self.prober,
            listeners=[self.events.append, *listeners],
            who="test",
            resolve=self.resolve,
        )

    def resolve(self, name: str) -> Sequence[str]:
        """Answer as `names` says. Raises OSError for a name that doesn't resolve."""
        self.asked.append(name)
        found = self.names.get(name, "Name or service not known")
        if isinstance(found, str):
            raise OSError(-2, found)
        return found

    def apply(self, **options: Any) -> Result:
        """Do what ``chainwright apply`` does."""
        return self.engine().apply(wait=0, **options)

    def renew(self) -> Result:
        """Let the time pass until local chains are due, and apply."""
        self.clock.advance(days=61)
        return self.apply()

    def kill_at(self, step: Step | str) -> bool:
        """Apply, and die at a step of deploying. Return whether it came to that; the next `apply` goes on as after a crash."""

        def die(event: Event) -> None:
            if event.kind == EventKind.STEP and event.detail.get("step") == step:
                raise Killed

        with suppress(Killed):
            self.engine(die).apply(wait=0)
            return False
        return True

    def change(self, operation: Callable[..., T], *given: object, **options: object) -> T:
        """Do what an administrator does, as one change under the lock."""
        with locked_state(self.engine()) as state:
            return operation(state, *given, **options)

    def upload(self, chain: Chain) -> None:
        """Upload a chain; the next `apply` deploys it where it is needed. Raises what an upload is refused with."""
        from agent.operations.uploads import store_upload

        self.change(store_upload, chain)

    def sample_chain(self, names: Iterable[str], **options: Any) -> Chain:
        """Return a chain of a CA that nobody knows, with an intermediate."""
        return SampleCa(self.clock()).chain([*names], **options)

    # What is known

    def store(self) -> Store:
        """Open the store."""
        return Store.open(self.layout)

    def status(self) -> dict[str, Any]:
        """Return what ``chainwright status --json`` prints."""
        now = self.clock()
        return report(read_snapshot(self.layout, now), now).to_json()

    def deployment(self, module: str) -> Deployment:
        """Return what became of a module's last deployment."""
        with self.store() as store:
            return store.deployments.all()[module]

    def chains(self, module: str) -> dict[str, str]:
        """Return the id of the chain that each slot is bound to."""
        with self.store() as store:
            return {each.slot: each.chain for each in store.modules.bindings() if each.module == module and each.chain}

    def live(self, module: str) -> Path:
        """Return the directory of the generation in service."""
        return (self.layout.module(module).state / "live").resolve()

    def files(self, module: str) -> dict[str, Path]:
        """Return the files of the generation in service, by their path in it."""
        live = self.live(module)
        return {str(path.relative_to(live)): path for path in sorted(live.rglob("*")) if path.is_file()}

    def served(self, port: int, name: str = "", starttls: StartTLS | str | None = None) -> str:
        """Return the id of the chain that is presented at a port of this machine; empty: there is no handshake."""
        return next(iter(presented(port, name, starttls)), "")

"""An appliance with one module on its real service, a neighbour that has nothing to do with it, and somebody who interferes."""

from __future__ import annotations

import re
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from damage import CERTIFICATE, Damage
from subjects import Listener, Subject

from agent.engine.engine import Engine
from agent.model.deployment import Deployment, Outcome, Step
from agent.model.events import Event, EventKind
from agent.operations.reissue import reissue
from agent.report import read_snapshot, report
from agent.system.command import Action, Command, CommandResult, SystemRunner
from agent.testing.runner import CountingRunner
from support.appliances.deployed import Deployed, served
from support.cas import certificates as toy_ca
from support.ports import free_port
from support.toml import table

Chain = tuple[str, ...]
"""SHA-256 of each certificate that is presented."""
NEIGHBOUR = "neighbour.example.test"


@dataclass
class Meddler(CountingRunner):
    """Acts at a step of deploying one module, and may have another program run in place of its reload."""

    module: str = ""
    steps: dict[Step, Callable[[], object]] = field(default_factory=dict)
    instead: Command | None = None
    spared: str = ""
    """Of the module's actions, what is no reload: it asks whether the service runs."""

    def __post_init__(self) -> None:
        super().__init__()
        self.meddled = 0
        self._here = threading.local()

    def listen(self, event: Event) -> None:
        """Follow the steps; each transaction has a thread of its own."""
        if event.kind == EventKind.STEP:
            mine = self.module in event.detail["modules"]
            step = Step(event.detail["step"])
            self._here.reloading = mine and step in {Step.RELOADING, Step.GOING_BACK}
            if mine and step in self.steps:
                self.meddled += 1
                self.steps[step]()

    def run(self, action: Action) -> CommandResult:
        spared = self.spared and self.spared in str(action)
        if self.instead is not None and getattr(self._here, "reloading", False) and not spared:
            self.meddled += 1
            return SystemRunner().run(self.instead)
        return super().run(action)

    def rest(self) -> None:
        """Interfere no more."""
        assert self.meddled, "nothing has gone wrong yet"
        self.steps, self.instead, self.meddled = {}, None, 0


@dataclass
class Faulty(Deployed):
    """Its service is up and all is well, until a test says otherwise."""

    runner: Meddler = field(default_factory=Meddler)
    subject: Subject = field(init=False)
    installed: bool = True
    probe_timeout: int = 10

    @classmethod
    @contextmanager
    def of(cls, subject: type[Subject]) -> Iterator[Self]:
        with cls.make() as box:
            box.prepare(subject)
            yield box

    def prepare(self, subject: type[Subject]) -> None:
        self.subject = subject(self.layout)
        self.runner.module = self.name
        self.runner.spared = self.subject.asking
        self.port = free_port()
        self.desk = self.root / "desk"
        self.desk.mkdir()
        root = toy_ca.root("Tiered CA", now=self.clock())
        intermediate = root.authority("Tiered Intermediate", now=self.clock(), days=1000)
        (self.desk / "ca.key").write_bytes(toy_ca.key_pem(intermediate.key))
        (self.desk / "ca.pem").write_bytes(toy_ca.pem(intermediate.certificate, root.certificate))
        self.drop_in("tiered")
        self.drop_in("tunnel")
        self.configure(
            top='plugins.tiered.enabled = true\nplugins.tunnel.enabled = true\nsources = ["uploaded", "tiered", "local"]'
        )

    def tables(self) -> str:
        neighbour = table("modules.tunnel", {"port": self.port, "domain": NEIGHBOUR})
        return (
            table("source.tiered", {"desk": str(self.desk)})
            + neighbour
            + self.subject.settings(installed=self.installed)
        )

    def patience(self, seconds: int = 10) -> None:
        """Have endpoints looked at for so long after a reload: shortly where they won't change, longer on a busy machine."""
        self.configure(probe_timeout=seconds)

    def engine(self) -> Engine:
        listeners = [self.events.append, self.runner.listen]
        return Engine(self.layout, clock=self.clock, runner=self.runner, listeners=listeners, who="test")

    def bring_up(self) -> None:
        """Apply, start everything by hand, and have it looked at."""
        self.apply()
        self.subject.start()
        self.start("toyd", self.layout.module("tunnel").live / "toyd.conf")
        self.apply()
        assert self.present.outcome is Outcome.LIVE, self.present
        assert self.deployment("tunnel").outcome is Outcome.LIVE
        self.forget()

    def kill(self) -> None:
        self.subject.kill()

    # What is done

    @property
    def name(self) -> str:
        return self.subject.name

    def ask_for_new_chains(self) -> None:
        """Let every chain of the module be replaced in the next pass, and no other."""
        with self.store() as store:
            names = [need.names[0] for need in store.modules.needs() if need.module == self.name]
        self.change(reissue, names)

    def try_again(self) -> None:
        """Apply once more, when what has failed may be tried again."""
        self.clock.advance(minutes=2)
        self.engine().apply(wait=0, retry=True)

    def look(self) -> None:
        """Let the next pass be made when endpoints are to be looked at again."""
        self.clock.advance(minutes=16)
        self.apply()

    def forget(self) -> None:
        self.runner.ran.clear()
        self.events.clear()

    def damage_the_staged(self, damage: Damage) -> None:
        """Damage the slot's new files each time that they have been staged."""

        def act() -> None:
            numbers = [int(path.name) for path in self.live(self.name).parent.iterdir() if path.name.isdigit()]
            files = self.files(self.live(self.name).with_name(str(max(numbers))))
            if all(path.stat().st_nlink == 1 for path in files):  # else they are those in service
                damage(files)

        self.runner.steps = {Step.PREFLIGHT: act}

    def files(self, generation: Path | None = None) -> list[Path]:
        """Return the slot's files, by default those in service."""
        found = sorted((generation or self.live(self.name)).glob(self.subject.part))
        assert found, f"{self.subject.part} is nothing"
        return found

    def put_back_the_links(self) -> None:
        """Have the next reload read what was in service before the switch."""
        before = {link: str(link.readlink()) for link in self.subject.live_links}

        def act() -> None:
            for link, target in before.items():
                retarget(link, target)

        self.runner.steps = {Step.RELOADING: act}

    # What is seen

    @property
    def present(self) -> Deployment:
        return self.deployment(self.name)

    def bound(self) -> dict[str, Chain]:
        """Return the chains that the module's slots are bound to, certificate by certificate."""
        with self.store() as store:
            records = {record.id: record for record in store.chains.records()}
            return {
                each.slot: records[each.chain].fingerprints
                for each in store.modules.bindings()
                if each.module == self.name
            }

    def wire(self) -> dict[Listener, Chain]:
        """Return what a client is presented at each listener."""
        return {
            listener: self.subject.presented(listener) or presented(listener) for listener in self.subject.listeners()
        }

    def expected(self, chains: dict[str, Chain]) -> dict[Listener, Chain]:
        return {listener: chains[listener.slot] for listener in self.subject.listeners()}

    def orders_made(self) -> int:
        """Return how often the CA was asked for a chain."""
        return len((self.desk / "count").read_text().splitlines())

    def refused(self) -> list[tuple[str, str]]:
        """Return module and slot of everything that is refused."""
        with self.store() as store:
            return [(each.module, each.slot) for each in store.deployments.refusals()]

    def told(self, state: str) -> dict[str, Any] | None:
        """Return the problem of the module as ``chainwright status --json`` prints it, with a next step; the state is `state`."""
        now = self.clock()
        rows = report(read_snapshot(self.layout, now), now).to_json()["modules"]
        by_name = {row["name"]: row for row in rows}
        assert by_name["tunnel"]["state"] == "ok"
        row = by_name[self.name]
        assert row["state"] == state, row
        assert row["problem"] is None or row["problem"]["fix"]
        return row["problem"]

    def findings(self, subject: str) -> list[dict[str, Any]]:
        """Return what ``chainwright status --json`` says is found of `subject`."""
        now = self.clock()
        found = report(read_snapshot(self.layout, now), now).to_json()["findings"]
        return [each for each in found if each["subject"] == subject]

    def neighbour(self) -> tuple[str, str, int]:
        """Return the neighbour's generation, what it serves, and how often it was reloaded. A look may test it again."""
        touched = sum("toyd" in str(action) and "--check" not in str(action) for action in self.runner.ran)
        return self.live("tunnel").name, served(self.port, NEIGHBOUR), touched


def retarget(link: Path, target: str) -> None:
    """Let a link name something else, in one step."""
    beside = link.with_name("beside")
    beside.symlink_to(target)
    beside.rename(link)


def presented(listener: Listener) -> Chain:
    """Return what openssl is given, nothing where there is no handshake."""
    argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{listener.port}", "-showcerts"]
    argv += ["-servername", listener.name] if listener.name else ["-noservername"]
    argv += ["-starttls", str(listener.starttls)] if listener.starttls else []
    shown = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
    found: list[bytes] = re.findall(CERTIFICATE, shown.stdout)
    return tuple(sha256(ssl.PEM_cert_to_DER_cert(each.decode())).hexdigest() for each in found)

"""What authors of plugins do wrong costs their plugin only, and they are told where: the tables are in ``mistakes/``.

Each row is a plugin on an appliance whose module `tunnel`, on a toy service, gets a new name with it. `GOLDEN=write` writes
what is said once more; read the difference before you commit it. Of a row with `met: never` nothing may be said.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from agent.cli import main
from agent.config.files import read_settings
from agent.config.loading import build
from agent.config.settings import Settings
from agent.config.wanted_plugins import wanted
from agent.daemon.deliverer import Deliverer
from agent.daemon.delivery import ListenersInForce
from agent.daemon.delivery_marks import DeliveryMarks
from agent.engine.engine import Engine
from agent.engine.settings_in_force import KeptSettings
from agent.errors.plugin_loading import ImportFailed
from agent.registry.discovery import candidates, culprits_of
from agent.registry.guard import Guard
from agent.registry.listeners import Listener
from agent.registry.plugins import Registry
from agent.sources import BUILT_IN
from agent.store import Store
from agent.system.layout import Layout
from agent.system.lock import held
from support.appliances.deployed import Deployed, served
from support.mistakes import KINDS, Mistake, mistakes, write
from support.paths import CHECKOUT
from support.ports import free_port

WRITING = os.environ.get("GOLDEN") == "write"
ROWS = {kind: mistakes(kind) for kind in KINDS}
EVERY = [row for rows in ROWS.values() for row in rows]
CODES = {"never": (0, False), "waits": (0, True)}
"""Exit code of a status, and whether it says something, by where a row is met: "never", as it does no harm."""
STAYS = {"settings", "governs"}
"""Where nothing is given to any module: settings are refused as a whole, and a policy that is broken may have wanted to."""

WRAPPER = """
from chainwright import hookimpl
@hookimpl(wrapper=True)
def HOOK(asked):
    return (yield)
"""
"""A policy that works, of a row that says what it has ``wrapped`` before."""


@dataclass
class Ran:
    """A command that has ended."""

    code: int
    output: str
    errors: str


@dataclass
class Box:
    """An appliance on which one plugin after the other is tried, and the good module beside them."""

    appliance: Deployed
    tried: int = 0
    good: str = ""
    """The name that the good module serves."""

    def run(self, *words: str) -> Ran:
        """Run a command in this process."""
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            code = main([*words, "--root", str(self.appliance.root)])
        return Ran(code, output.getvalue(), errors.getvalue())

    def json(self, *words: str) -> tuple[int, dict[str, Any]]:
        """Run it with ``--json``: whatever a plugin does, that is all that it prints."""
        ran = self.run(*words, "--json")
        try:
            return ran.code, json.loads(ran.output)
        except ValueError:
            raise AssertionError(f"no JSON, but {ran.output[:500]}\n{ran.errors[-500:]}") from None

    def apply_impatiently(self) -> None:
        """Make a pass that waits for a plugin not as long as it does elsewhere."""
        Engine(self.appliance.layout, loader=load_impatiently).apply(wait=0, timeout=10)

    def deliver(self) -> None:
        """Tell whom there is something to tell, and wait for nobody for long."""
        layout, clock = self.appliance.layout, self.appliance.clock
        found = ListenersInForce(layout, KeptSettings(), clock, lambda: False)
        with (
            held(layout.delivery_lock, wait=30),  # the process that a command leaves behind tells them as well
            Store.open_existing(layout) as store,
            contextlib.closing(DeliveryMarks(layout.delivering)) as marks,
        ):
            deliverer = Deliverer(store, lambda: _impatient(found()), found.context, clock, marks)
            while deliverer.look(0.05) or deliverer.is_busy:
                pass

    def install(self, row: Mistake) -> Path:
        """Write the plugin and the settings, with another name for the good module."""
        self.tried += 1
        kind = KINDS[row.kind]
        path = self.package(row) if "entry" in row.words else self.drop_in(row)
        path.unlink(missing_ok=True)
        path.write_bytes(bytes.fromhex(row.words["octets"]) if "octets" in row.words else row.source.encode())
        path.chmod(int(row.words.get("mode", "644"), 8))
        if "owner" in row.words:
            os.chown(path, int(row.words["owner"]), -1)
        if "link" in row.words:
            path = path.rename(path.with_suffix(".txt"))
            path.with_suffix(".py").symlink_to(path)
        if "template" in row.words:
            (path.parent / "templates" / "bad.conf.j2").write_text(row.words["template"])
        self.settings(f"sources = [{kind.ladder}]\n", kind.settings, row.name)
        return path

    def drop_in(self, row: Mistake) -> Path:
        """Return where a row is put among the drop-ins."""
        path, *others = (
            self.appliance.layout.plugins / each.replace("NAME", row.name)
            for each in row.words.get("files", "NAME.py").split()
        )
        for each in (path, *others):
            each.parent.mkdir(parents=True, exist_ok=True)
            each.touch()
        return path

    @property
    def site(self) -> Path:
        """Where packages are installed."""
        return self.appliance.root / "site"

    def package(self, row: Mistake) -> Path:
        """Install a package but for its only file, and return that one's path."""
        about = self.site / f"{row.name}-1.0.dist-info"
        package = self.site / f"{row.name}_plugin"
        about.mkdir(parents=True)
        package.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {row.name}\nVersion: 1.0\n")
        entry = row.words["entry"].replace("NAME", row.name)
        (about / "entry_points.txt").write_text(f"[chainwright]\n{row.name} = {entry}\n")
        return package / "__init__.py"

    def settings(self, top: str, table: str, name: str) -> None:
        good = f'[modules.tunnel]\nport = {self.appliance.port}\ndomain = "{self.good_name}"\n'
        text = f'{top}hostname = "gw"\naddresses = ["127.0.0.1"]\n[probe]\ntimeout = 2\n{good}{table}'
        self.appliance.settings(text.replace("NAME", name))

    @property
    def good_name(self) -> str:
        return f"t{self.tried}.example.test"

    def assert_good(self, *, new: bool = True) -> None:
        """Assert that the good module has what it was given last, or what it had before, and that it is served."""
        if new:
            self.good = self.good_name
            (chain,) = self.appliance.chains("tunnel").values()
            deployment = self.appliance.deployment("tunnel")
            assert (str(deployment.outcome), deployment.problem) == ("live", None)
            assert served(self.appliance.port, self.good) == chain
            with self.appliance.store() as store:
                assert store.chains.record(chain).names == (self.good,)
        assert served(self.appliance.port, self.good)

    def take_out(self) -> None:
        """Take the plugin off again."""
        for path in self.appliance.layout.plugins.glob("*"):
            if path.is_dir() and path.name != "templates":
                shutil.rmtree(path)
            elif path.stem not in {"tunnel", "templates"}:
                path.unlink()
        shutil.rmtree(self.site)
        self.site.mkdir()
        importlib.invalidate_caches()
        ours = [name for name, each in sys.modules.items() if str(self.site) in str(getattr(each, "__file__", None))]
        for name in [*ours, *(each for each in sys.modules if each.startswith("chainwright_plugin_"))]:
            del sys.modules[name]


def _impatient(listeners: Mapping[str, Listener]) -> dict[str, Listener]:
    return {name: replace(each, seconds=min(each.seconds, 0.3)) for name, each in listeners.items()}


def load_impatiently(layout: Layout) -> tuple[Settings, Registry]:
    guard = Guard(culprits_of(candidates(layout)), patience=0.05, most=0.3, imports=0.5, say=lambda text: None)
    tree = read_settings(layout)
    names = wanted(tree)
    registry = Registry.load(
        layout, names.enabled, also=names.disabled, services=names.services, builtin_sources=BUILT_IN, guard=guard
    )
    return build(tree, registry, layout), registry


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    with Deployed.make() as appliance, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", appliance.path)
        appliance.drop_in("tunnel")
        appliance.port = free_port()
        made = Box(appliance)
        made.site.mkdir()
        patch.syspath_prepend(made.site)
        made.settings("", "", "")
        made.run("apply")
        appliance.start("toyd", appliance.layout.module("tunnel").live / "toyd.conf")
        made.run("apply")
        made.assert_good()
        yield made


def plain(text: str, box: Box, path: Path, line: int) -> str:
    """Return a sentence without what differs from run to run."""
    text = text.replace(f"{path}:{line}", "FILE:LINE") if line else text
    text = text.replace(str(path), "FILE").replace(str(box.appliance.root), "ROOT").replace(str(CHECKOUT), "CHECKOUT")
    text = re.sub(r'the event "\w+"', 'the event "KIND"', text.replace(box.good_name, "GOOD"))
    return re.sub(r"( in|within) [\d.]+ s\b", r"\1 N s", text)


def left_by(where: str) -> str:
    """Return the row that a finding is about: what was deployed of an earlier one stays when its plugin is taken out."""
    return where if where in {each.name for each in EVERY} else ""


def sentences(status: dict[str, Any], box: Box, path: Path, row: Mistake) -> list[str]:
    """Return what a status says that isn't about the good module."""
    found = [each["problem"] for each in status["findings"] if left_by(each["problem"]["where"]) in {"", row.name}]
    lines = [f"{each['where']}: {each['cause']}".removeprefix(": ") for each in found]
    return [plain(each.replace("\n", " "), box, path, row.line) for each in lines]


@pytest.mark.sampled(45)
@pytest.mark.filterwarnings("ignore:Field name .* shadows")
@pytest.mark.parametrize("row", EVERY, ids=lambda row: f"{row.kind} {row.title}".replace(" ", "-"))
def test_a_mistake_costs_its_plugin_only_and_is_told_with_its_place(box: Box, row: Mistake) -> None:
    if row.words.get("met") in STAYS:
        box.settings("", "", "")
        box.run("apply")
    if "wrapped" in row.words:
        box.install(replace(row, words={}, code=WRAPPER.replace("HOOK", row.words["wrapped"])))
        box.settings("", KINDS[row.kind].settings, row.name)
        box.run("apply")
    path = box.install(row)
    try:
        if "hangs" in row.words:
            box.apply_impatiently()
        else:
            box.json("apply", "--wait", "0", "--timeout", "10")
        if row.words.get("met") == "listener" or "told" in row.words:
            box.deliver()
        code, status = box.json("status")
        said = sentences(status, box, path, row)
        if WRITING:
            row.said = said
            write(row.kind, ROWS[row.kind])
        box.assert_good(new=row.words.get("met") not in STAYS)
        assert said == row.said
        fixes = {each["problem"]["fix"] for each in status["findings"] if each["problem"]["code"] == ImportFailed.code}
        assert "cure" not in row.words or fixes == {f"{row.words['cure']}, then: chainwright plugins"}
        expected, says = CODES.get(row.words.get("met", ""), (3, True))
        is_alone = len(status["findings"]) == len(said)  # else the code is also about what an earlier row has left
        assert (code if is_alone else expected, bool(said)) == (expected, says)
    finally:
        box.take_out()

"""Checks of what modules and services answer: types, determinism, no input or output, every slot and none."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

from agent.contract.context import ChainFacts, Change, Context, ModulePart
from agent.contract.endpoint import Endpoint
from agent.contract.module import Module
from agent.contract.service import Service
from agent.errors.plugin_checks import AnswerChanges, KeyRendered, RenderingChanges, SlotUnseen
from agent.model.need import Need
from agent.pki.chain import KeyType
from agent.registry.contract_checks import shows_without_endpoint
from agent.rendering.enabled_modules import EnabledModules
from agent.rendering.render import Rendering
from agent.testing.findings import Findings, place_of_method
from agent.testing.stand_in import StandInProbe

T = TypeVar("T")
KEY = "PRIVATE KEY-----"
MOST_LEFT_OUT = 3
"""Slots that are left out, one at a time: a module may have thousands."""
KINDS = ("root", "retirement", "chain", "peer", "setting")
"""Changes whose consequences are asked."""
ADDRESS = "192.0.2.10"
"""What host names resolve to (RFC 5737)."""


@dataclass(frozen=True)
class Sample:
    """Chains for the slots of a module, as facts."""

    words: str
    chains: Mapping[str, ChainFacts]


def samples(needs: Sequence[Need]) -> Iterator[Sample]:
    """Yield chains of each kind of key, with intermediates and without, then those of a first pass: one, or all, are missing."""
    preferred = {need.slot: _facts(need, need.key_types[0], 0) for need in needs}
    yield Sample("a chain for each slot", preferred)
    rsa = {need.slot: kind for need in needs for kind in reversed(need.key_types) if kind.startswith("rsa")}
    others = {need.slot: _facts(need, rsa.get(need.slot, need.key_types[-1]), 2) for need in needs}
    yield Sample("RSA chains with intermediates", others)
    for slot in [*preferred][:MOST_LEFT_OUT] if len(preferred) > 1 else ():
        yield Sample(f"no chain for the slot {slot}", {key: each for key, each in preferred.items() if key != slot})
    yield Sample("no chain at all", {})


def _facts(need: Need, key_type: KeyType, intermediates: int) -> ChainFacts:
    return ChainFacts(
        id=hashlib.sha256(f"{need.slot} {key_type} {intermediates}".encode()).hexdigest(),
        names=need.names,
        source="local",
        issuer="Sample CA",
        key_type=key_type,
        not_after=datetime.now(UTC) + timedelta(days=90),
        intermediates=intermediates,
    )


class AnswerChecks:
    """Checks of the answers of all modules and services of one plugin."""

    def __init__(self, findings: Findings, enabled: EnabledModules) -> None:
        self._findings = findings
        self._enabled = enabled
        self._hooks = enabled.hooks
        self._first: list[tuple[str, Callable[[], Rendering], Rendering]] = []
        """What was rendered, and how."""
        self._changing: set[tuple[str, str]] = set()
        """Files that were rendered differently."""

    def run(self) -> None:
        """Ask all of them, each hook twice."""
        for name, module in self._enabled.modules.items():
            self._check_module(name, module)
        for name, service in self._enabled.services.items():
            if self._enabled.modules_of(name):
                self._check_service(name, service)

    def render_again(self) -> None:
        """Render what was rendered first, now that some time has passed."""
        for name, render, first in self._first:
            with self._findings.checking(f"{name}: the same files some time later"):
                self._compare(name, first, render())

    def _check_module(self, name: str, module: Module) -> None:
        hooks, host = self._hooks, self._enabled.host
        needs: list[Need] = []
        with self._findings.checking(f"{name}: declare_needs"):
            needs = self._twice(module, "declare_needs", lambda: hooks.declare_needs(module, host))
        names: list[str] = []
        with self._findings.checking(f"{name}: names_to_resolve"):
            names = self._twice(module, "names_to_resolve", lambda: hooks.names_to_resolve(module, host))
        self._enabled = replace(
            self._enabled, resolved={**self._enabled.resolved, name: dict.fromkeys(names, (ADDRESS,))}
        )
        for sample in samples(needs):
            self._check_files(name, module, sample)
        self._check_probes(name, module, Sample("", {need.slot: _facts(need, need.key_types[0], 0) for need in needs}))
        self._check_commands(name, module, next(samples(needs)).chains)

    def _check_files(self, name: str, module: Module, sample: Sample) -> None:
        with self._findings.checking(f"{name}: receive_chains with {sample.words}"):
            self._twice(
                module, "receive_chains", lambda: self._hooks.receive_chains(module, sample.chains), compare=str
            )
        with self._findings.checking(f"{name}: render_files with {sample.words}"):
            self._render(
                name, lambda: self._enabled.render(name, sample.chains), place_of_method(module, "render_files")
            )

    def _check_probes(self, name: str, module: Module, sample: Sample) -> None:
        with self._findings.checking(f"{name}: probes"):
            context = self._context(name, sample.chains)
            found = self._twice(module, "probes", lambda: self._hooks.probes(module, context), compare=_places)
            self._enabled.check_endpoints(name, sample.chains)
            seen = {each.slot for each in found}
            for slot in sample.chains if not shows_without_endpoint(module, context.services.values()) else ():
                if slot not in seen:
                    self._findings.add(SlotUnseen(slot, place_of_method(module, "probes")))

    def _check_commands(self, name: str, module: Module, chains: Mapping[str, ChainFacts]) -> None:
        hooks, context = self._hooks, self._context(name, chains)
        asked: dict[str, Callable[[], object]] = {
            "prepare_command": lambda: hooks.prepare_command(module, context),
            "inspect_command": lambda: hooks.inspect_command(module, context),
        }
        if not module.services:
            asked |= {
                "check_command": lambda: hooks.check_command(module, context),
                "reload_command": lambda: hooks.reload_command(module, context),
                "running": lambda: hooks.running(module, context),
                "start_command": lambda: hooks.start_command(module, context),
                "confirm_command": lambda: hooks.confirm_command(module, context),
                "observe_command": lambda: hooks.observe_command(module, context),
                "mend_command": lambda: hooks.mend_command(module, context, "sample"),
            }
        for kind in KINDS:
            change = Change(kind=kind, subject="", slots=tuple(chains))
            asked[f"consequences_of {kind}"] = lambda change=change: hooks.consequences_of(module, change, "")  # type: ignore[misc]
        self._ask(name, module, asked)

    def _check_service(self, name: str, service: Service) -> None:
        hooks, places = self._hooks, self._enabled.layout.service(name)
        layout = self._enabled.layout
        parts = tuple(
            ModulePart(module=each, plugin=self._enabled.modules[each].name, directory=layout.module(each).state / "1")
            for each in self._enabled.modules_of(name)
        )
        for words, some in (("its modules", parts), ("no module", ())):
            with self._findings.checking(f"service {name}: render_entry with {words}"):
                place = place_of_method(service, "render_entry")
                self._render(f"service {name}", lambda some=some: self._enabled.render_entry(name, some), place)  # type: ignore[misc]
        context = self._enabled.service_context(name, places.state / "1", parts)
        asked: dict[str, Callable[[], object]] = {
            "check_command": lambda: hooks.check_command(service, context),
            "included_command": lambda: hooks.included_command(service, context),
            "diagnose_command": lambda: hooks.diagnose_command(service, context),
            "reload_command": lambda: hooks.reload_command(service, context),
            "running": lambda: hooks.running(service, context),
            "start_command": lambda: hooks.start_command(service, context),
            "confirm_command": lambda: hooks.confirm_command(service, context),
            "observe_command": lambda: hooks.observe_command(service, context),
            "mend_command": lambda: hooks.mend_command(service, context, "sample"),
            "why_unseen": lambda: hooks.why_unseen(service, places),
            "warnings_in": lambda: hooks.warnings_in(service, ""),
            "cure_for": lambda: hooks.cure_for(service, ""),
            "awaits_network": lambda: hooks.awaits_network(service, "", addressed=True),
        }
        self._ask(f"service {name}", service, asked)

    def _ask(self, name: str, asked: Module | Service, calls: Mapping[str, Callable[[], object]]) -> None:
        for what, call in calls.items():
            with self._findings.checking(f"{name}: {what}"):
                self._twice(asked, what.split()[0], call)

    def _twice(
        self, asked: Module | Service, hook: str, call: Callable[[], T], *, compare: Callable[[T], object] = repr
    ) -> T:
        first, second = call(), call()
        if compare(first) != compare(second):
            self._findings.add(AnswerChanges(hook, place_of_method(asked, hook)))
        return first

    def _render(self, name: str, render: Callable[[], Rendering], place: str) -> None:
        first = render()
        self._compare(name, first, render(), place)
        self._first.append((name, render, first))
        for file in first.files:
            if KEY in first.texts.get(file.text or "", ""):
                self._findings.add(KeyRendered(file.path, place))

    def _compare(self, name: str, first: Rendering, second: Rendering, place: str = "") -> None:
        after = {file.path: second.texts.get(file.text or "", "") for file in second.files}
        for file in first.files:
            text, other = first.texts.get(file.text or "", ""), after.get(file.path, "")
            if text != other and (name, file.path) not in self._changing:
                self._changing.add((name, file.path))
                line, before, now = _first_difference(text, other)
                place = place or self._place_of(name)
                self._findings.add(RenderingChanges(file.path, line, before, now, place))

    def _place_of(self, name: str) -> str:
        service = name.removeprefix("service ")
        if service != name:
            return place_of_method(self._enabled.services[service], "render_entry")
        return place_of_method(self._enabled.modules[name], "render_files")

    def _context(self, name: str, chains: Mapping[str, ChainFacts]) -> Context:
        directory: Path = self._enabled.layout.module(name).state / "1"
        return self._enabled.context(name, directory, "1", chains)


def _places(endpoints: Sequence[Endpoint]) -> list[tuple[str, str]]:
    """Return what tells endpoints apart: probes of plugins need not be comparable."""
    return [(each.key, type(_own(each)).__name__) for each in endpoints]


def _own(endpoint: Endpoint) -> object:
    probe = endpoint.probe
    return probe.original if isinstance(probe, StandInProbe) else probe


def _first_difference(text: str, other: str) -> tuple[int, str, str]:
    lines = zip_longest(text.splitlines(), other.splitlines(), fillvalue="")
    return next((number, before, after) for number, (before, after) in enumerate(lines, 1) if before != after)

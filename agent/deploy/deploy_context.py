"""Context of one pass for the steps of deploying."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from agent.contract.context import ChainFacts, Context
from agent.contract.source import ChainRecord
from agent.deploy.failures import ModuleFailures
from agent.deploy.renames import PathContent
from agent.deploy.staging import GenerationDir
from agent.errors import Problem
from agent.errors.damage import DiskFailed, NotPutBack
from agent.errors.deploy import ChainGone, OwnerUnknown, PublishOccupied
from agent.model.deployment import Deployment, Generation, Step
from agent.model.events import Event, EventKind
from agent.model.need import Need
from agent.model.pause import back_off
from agent.pki.chain import Chain
from agent.probing.probe import Prober
from agent.rendering.enabled_modules import EnabledModules, facts_of
from agent.rendering.render import Ownership
from agent.store import Store
from agent.system.command import Runner

HARMLESS = frozenset((DiskFailed.code, NotPutBack.code, PublishOccupied.code, OwnerUnknown.code))
"""Codes of what fails before any service is told of anything."""

Alternative = Callable[[str, str, frozenset[str]], str | None]
"""`(module, slot, refused chains) -> the next chain down the ladder`. Called by any thread."""


def no_alternative(_module: str, _slot: str, _refused: frozenset[str]) -> str | None:
    """There is none: what is deployed by a context with this has no other chain."""
    return None


@dataclass(frozen=True)
class WaitPolicy:
    """Policy of probing: how often, how many handshakes, how long."""

    interval: timedelta = timedelta(minutes=15)
    """Between two checks for drift."""
    handshakes: int = 3
    """Fresh connections in a row that must agree after a reload."""
    timeout: float = 10.0
    """Seconds after a reload."""


@dataclass(frozen=True)
class DeployContext:
    """Context of deploying during one pass: modules, store, runner, prober, clock.

    Belongs to one thread; another one uses `for_thread`.
    """

    enabled: EnabledModules
    store: Store
    runner: Runner
    prober: Prober
    clock: Callable[[], datetime]
    publish: Callable[[Store, Event], None]
    """Puts an event on the bus."""
    records: Mapping[str, ChainRecord]
    needs: Mapping[tuple[str, str], Need]
    alternative: Alternative = no_alternative
    wait_policy: WaitPolicy = WaitPolicy()
    keep: int = 3
    """Generations of a module that are kept."""
    addresses: tuple[str, ...] = ()
    """Of this machine: where services that listen at every address are looked at."""
    interfaces: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Its network interfaces, with the addresses of each."""
    job: str = ""
    boot: bool = False
    """Services have not been started yet: files are put in place, nothing is reloaded or probed."""
    failures: ModuleFailures = field(default_factory=ModuleFailures)
    """What fails for one module alone."""
    _chains: dict[str, Chain] = field(default_factory=dict)

    def for_thread(self) -> DeployContext:
        """Return the same context with a database connection of its own."""
        return replace(self, store=self.store.again())

    def addresses_on(self, interfaces: Iterable[str]) -> tuple[str, ...]:
        """Return the addresses of these network interfaces; none are named: of all."""
        names = tuple(interfaces)
        return tuple(each for name in names for each in self.interfaces.get(name, ())) if names else self.addresses

    def tell(self, kind: EventKind, text: str, module: str = "", **detail: object) -> None:
        """Put an event on the bus."""
        self.publish(
            self.store, Event(at=self.clock(), kind=kind, text=text, job=self.job, module=module, detail=detail)
        )

    def tell_step(self, step: Step, modules: Iterable[str]) -> None:
        """Put a step of deploying on the bus."""
        names = sorted(modules)
        self.tell(EventKind.STEP, str(step), names[0] if len(names) == 1 else "", step=str(step), modules=names)

    def module_dir(self, module: str) -> GenerationDir:
        """Return the directory of a module's generations."""
        configured = module in self.enabled.modules
        ownership = self.enabled.ownership(module) if configured else Ownership()
        return GenerationDir(f"module:{module}", self.enabled.layout.module(module).state, ownership)

    def service_dir(self, service: str) -> GenerationDir:
        """Return the directory of a shared service's entries."""
        known = self.enabled.services.get(service) or self.store.footprints.service(service)
        ownership = Ownership(group=known.group if known else "")
        return GenerationDir(f"service:{service}", self.enabled.layout.service(service).state, ownership)

    def published_by_the_gone(self) -> dict[str, PathContent]:
        """Return what modules that are no longer configured have at fixed paths: others may take these over."""
        return self._published(name for name in self.store.deployments.all() if name not in self.enabled.modules)

    def published_by_the_configured(self) -> dict[str, PathContent]:
        """Return what modules that are configured have at fixed paths."""
        return self._published(self.enabled.modules)

    def _published(self, modules: Iterable[str]) -> dict[str, PathContent]:
        found: dict[str, PathContent] = {}
        for name in modules:
            found |= self.module_dir(name).published(self.live(name))
        return found

    def generation(self, module: str, number: int | None) -> Generation | None:
        """Return a generation of a module."""
        return self.store.deployments.generation(f"module:{module}", number) if number is not None else None

    def live(self, module: str) -> Generation | None:
        """Return the generation of a module that is in service."""
        deployment = self.deployment(module)
        return self.generation(module, deployment.generation) if deployment else None

    def is_there(self, module: str, generation: Generation) -> bool:
        """Whether services can read a generation: one whose directory somebody has removed would keep all others back."""
        return self.module_dir(module).directory(generation.number).is_dir()

    def is_included(self, module: str, generation: Generation) -> bool:
        """Whether entries include a generation: it is there, and the module is not left out as a whole."""
        return bool(generation.files) and self.is_there(module, generation)

    def live_entry(self, service: str) -> Generation | None:
        """Return the entry of a shared service that is in service."""
        number = self.store.deployments.entry(service)
        return self.store.deployments.generation(f"service:{service}", number) if number is not None else None

    def in_service(self, module: str) -> Iterator[tuple[GenerationDir, Generation]]:
        """Yield the generations in service of a module and of its services' entries, with where they are."""
        if (live := self.live(module)) is not None:
            yield self.module_dir(module), live
        for name in self.enabled.modules[module].services:
            if (entry := self.live_entry(name)) is not None:
                yield self.service_dir(name), entry

    def live_directory(self, module: str) -> Path | None:
        """Return the directory of a module's generation in service, also of a module that can't be asked now."""
        deployment = self.deployment(module)
        number = deployment.generation if deployment else None
        return self.enabled.layout.module(module).state / str(number) if number is not None else None

    def deployment(self, module: str) -> Deployment | None:
        """Return the last deployment of a module."""
        return self.store.deployments.of(module)

    def facts(self, chains: Mapping[str, str]) -> dict[str, ChainFacts]:
        """Return what a plugin may know of the chains of its slots, without those that were deleted."""
        return {slot: facts_of(self.records[chain]) for slot, chain in chains.items() if chain in self.records}

    def context(self, module: str, generation: Generation) -> Context:
        """Return the context that a module's hooks get for a generation on disk."""
        directory = self.module_dir(module).directory(generation.number)
        return self.enabled.context(module, directory, str(generation.number), self.facts(generation.chains))

    def chain(self, chain_id: str) -> Chain:
        """Return a chain with its key, unsealed once a pass and only when a file has to be written from it."""
        if chain_id not in self._chains:
            found = self.store.chains.load(chain_id)
            if found is None:
                raise ChainGone(chain_id)
            self._chains[chain_id] = found
        return self._chains[chain_id]

    def good(self, generation: Generation) -> bool:
        """Whether every chain of a generation is valid now and not deleted."""
        records = [self.records.get(chain) for chain in generation.chains.values()]
        return all(record is not None and record.good(self.clock()) for record in records)


def back_off_of(problem: Problem | None, attempts: int) -> timedelta:
    """Return how long to wait after the last of `attempts` failures: not long for what costs no service anything."""
    return back_off(min(attempts, 2) if problem is not None and problem.code in HARMLESS else attempts)

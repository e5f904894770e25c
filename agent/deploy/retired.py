"""Modules that a transaction takes out of their services: looked at, stored, told of, and their keys removed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from agent.contract.endpoint import Address, Expected
from agent.deploy.deploy_context import DeployContext
from agent.deploy.footprints import endpoint_of
from agent.deploy.retention import drop
from agent.errors import AgentError, Problem
from agent.errors.deploy import NotTakenOut
from agent.errors.served import StillServed
from agent.model.deployment import Deployment, Outcome, Step
from agent.model.events import EventKind
from agent.model.footprint import ServedPlace
from agent.model.pause import back_off
from agent.probing.listening import who_listens
from agent.system.processes import process_of

CLEAN = 2
"""Rounds in a row in which nothing is served any more: old processes take connections beside the new ones for a moment."""
SHOWN = 3
"""Addresses that are named."""
PAUSE = 0.1
"""Seconds between rounds."""


class RetiredModules:
    """Modules that are taken out in one transaction."""

    def __init__(self, context: DeployContext, modules: Mapping[str, int | None], left: Problem | None = None) -> None:
        """`modules`: name -> generation in service, as in `TransactionRecord.retired`. `left`: what stays of the agent's."""
        self._context = context
        self._modules = modules
        self._left = left
        self._footprints = {name: context.store.footprints.module(name) for name in modules}
        self._looked: dict[str, list[str]] = {name: [] for name in modules}
        """Addresses that were looked at."""
        self._still: dict[str, list[str]] = {name: [] for name in modules}
        """Addresses that still serve a chain of the module."""
        self._by: dict[str, str] = {}
        """Module -> process that listens at the first of them."""

    def look(self, *, wait: bool) -> None:
        """Look where they were served, with `wait` until their chains are gone or the time of a probe is up."""
        wanted = [(name, place) for name in self._modules for place in self._places(name)]
        for name in self._modules:
            self._looked[name] = sorted({place.address for module, place in wanted if module == name})
        deadline = time.monotonic() + (self._context.wait_policy.timeout if wait else 0)
        clean = 0
        while wanted and clean < CLEAN:
            still = self._still_served(wanted)
            clean = 0 if still else clean + 1
            if still and time.monotonic() >= deadline:
                for name in self._modules:
                    places = {place.address: place for module, place in reversed(still) if module == name}
                    self._still[name] = sorted(str(endpoint_of(each)) for each in places.values())
                    self._by[name] = next((by for each in places.values() if (by := _listening_at(each))), "")
                return
            self._context.prober.wait(PAUSE)

    def problems(self) -> dict[str, Problem | None]:
        """Return why modules aren't gone yet, with the processes that serve them still; None: it is."""
        return {name: self._problem(name) for name in self._modules}

    def store(self, problems: Mapping[str, Problem | None]) -> None:
        """Store the outcome: what `problems` returned. Call inside `Store.write`."""
        store = self._context.store
        for name, problem in problems.items():
            before = store.deployments.all().get(name)
            store.deployments.drop(name)
            store.endpoints.put(name, [])
            if problem is None:
                store.footprints.drop_module(name)
            else:
                store.deployments.put(self._retiring(name, None, problem, before))

    def tell(self) -> None:
        """Put on the bus what was taken out."""
        for name, number in self._modules.items():
            footprint = self._footprints[name]
            still, looked = self._still[name], self._looked[name]
            if number is None and still:
                continue  # told before
            services = ", ".join(footprint.services if footprint else ()) or "service"
            seen = f"still served at {_listed(still)}" if still else f"no longer served at {_listed(looked)}"
            text = f"taken out of {services}, its keys were removed" if number is not None else "nothing is left of it"
            self._context.tell(EventKind.RETIRED, f"{text}; {seen}" if looked else text, name)

    def remove(self) -> None:
        """Remove the files of what is no longer in service."""
        for name in self._modules:
            with self._context.failures.apart("removal of the files", name):
                remove_module(self._context, name)

    def hold(self, error: AgentError) -> None:
        """Store that they could not be taken out, and tell it once."""
        store, reason = self._context.store, str(getattr(error, "reason", "")) or error.problem.cause
        for name, number in self._modules.items():
            before = store.deployments.all().get(name)
            problem = NotTakenOut(name, reason.rstrip("."), error.problem.detail).problem
            with store.write():
                store.deployments.put(self._retiring(name, number, problem, before))
            if before is None or before.problem is None or before.problem.cause != problem.cause:
                self._context.tell(EventKind.REFUSED, problem.cause, name)

    def _problem(self, name: str) -> Problem | None:
        if not self._still[name]:
            return self._left
        return StillServed(name, _listed(self._still[name]), self._by.get(name, ""), self._stop(name)).problem

    def _stop(self, name: str) -> str:
        """Return the command that ends the agent's own daemon; empty: it is the administrator's, or isn't known."""
        known, footprint = self._context.store.footprints, self._footprints[name]
        services = [found for each in (footprint.services if footprint else ()) if (found := known.service(each))]
        files = [each.running for each in services if each.own and isinstance(each.running, Path)]
        root = self._context.enabled.layout.root
        pids = [str(pid) for file in files if (pid := process_of(file, root)) is not None]
        return f"kill {' '.join(pids)}" if pids else ""

    def _retiring(self, name: str, number: int | None, problem: Problem, before: Deployment | None) -> Deployment:
        now = self._context.clock()
        again = before if before and before.outcome is Outcome.RETIRING else None
        attempts = again.attempts + 1 if again else 1
        retry_at = now + back_off(attempts)
        return Deployment(
            module=name,
            generation=number,
            outcome=Outcome.RETIRING,
            step=str(Step.PROBING if number is None else Step.CHECK),
            problem=replace(problem, retry_at=retry_at),
            at=again.at if again else now,
            attempts=attempts,
            retry_at=retry_at,
            tried_at=now,
        )

    def _places(self, name: str) -> Iterator[ServedPlace]:
        """Yield where a module was served, but for chains that others serve as well: there they belong."""
        footprint = self._footprints[name]
        live = self._context.store.deployments.live_chains()
        others = {chain for module, slots in live.items() if module not in self._modules for chain in slots.values()}
        yield from (place for place in (footprint.places if footprint else ()) if place.chain not in others)

    def _still_served(self, wanted: Iterable[tuple[str, ServedPlace]]) -> list[tuple[str, ServedPlace]]:
        wanted = list(wanted)
        seen = self._context.prober.observe(
            [(endpoint_of(place), Expected(fingerprints=(place.chain,), generation=0)) for _, place in wanted],
            timeout=self._context.wait_policy.timeout,
            handshakes=1,
            until_served=False,
        )
        pairs = zip(wanted, seen, strict=True)
        return [each for each, found in pairs if found.served and found.served.fingerprints[:1] == (each[1].chain,)]


def remove_module(context: DeployContext, name: str) -> None:
    """Remove the generations of a module that is not in service. Raises OSError."""
    generation_dir = context.module_dir(name)
    for number in context.store.deployments.numbers(generation_dir.owner):
        error = drop(context, generation_dir, number)
        if error is not None:
            raise error
    for link in (generation_dir.state / "live", generation_dir.refused):
        link.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        generation_dir.state.rmdir()


def _listening_at(place: ServedPlace) -> str:
    address = endpoint_of(place).address
    return who_listens(address) if isinstance(address, Address) else ""


def _listed(addresses: list[str]) -> str:
    return ", ".join(addresses[:SHOWN]) + (f" and {len(addresses) - SHOWN} more" if len(addresses) > SHOWN else "")

"""Endpoints of a group of modules: what is expected there, what is seen, and what is kept of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agent.contract.endpoint import Endpoint, Expected
from agent.deploy.deploy_context import Tools
from agent.model.deployment import EndpointRecord, Generation
from agent.probing.probe import Observation

SAMPLE = 8
"""Endpoints of unchanged slots that are looked at when only the configuration changed."""


@dataclass(frozen=True)
class Sight:
    """One endpoint of one module, and what it ought to serve."""

    module: str
    endpoint: Endpoint
    expected: Expected
    chain: str

    @property
    def key(self) -> str:
        """Tell this endpoint from all others."""
        return f"{self.module} {self.endpoint.key}"

    @property
    def place(self) -> tuple[str, type]:
        """Where it is looked at, and by what kind of probe."""
        return str(self.endpoint.address), type(self.endpoint.probe)


def sights_of(tools: Tools, module: str, generation: Generation) -> list[Sight]:
    """Return every endpoint of a module's generation. Raises what asking the module raises."""
    endpoints = tools.fleet.hooks.probes(module, tools.context(module, generation))
    found = []
    for endpoint in endpoints:
        chain = generation.chains.get(endpoint.slot)
        if chain is not None and chain in tools.records:
            expected = Expected(tools.records[chain].fingerprints, generation.number)
            found.append(Sight(module, endpoint, expected, chain))
    return found


def worth_a_look(sights: Iterable[Sight], slots: set[str], wrong: set[str]) -> list[Sight]:
    """Return the endpoints of changed slots; where none changed, some of the others. Always those that were wrong last time.

    `wrong`: their `Sight.key`.
    """
    sights = list(sights)
    chosen = [each for each in sights if each.endpoint.slot in slots] or sights[:SAMPLE]
    keys = {each.key for each in chosen}
    return [*chosen, *(each for each in sights if each.key in wrong - keys)]


def observe(tools: Tools, sights: list[Sight], *, patient: bool) -> dict[str, Observation]:
    """Look at endpoints and return what was seen by `Sight.key`."""
    if not sights:
        return {}
    seen = tools.looker.observe(
        [(sight.endpoint, sight.expected) for sight in sights],
        timeout=tools.patience.timeout,
        handshakes=tools.patience.handshakes,
        patient=patient,
    )
    return {sight.key: observation for sight, observation in zip(sights, seen, strict=True)}


def records_of(
    tools: Tools, sights: Iterable[Sight], seen: Mapping[str, Observation], before: Mapping[str, EndpointRecord]
) -> list[EndpointRecord]:
    """Return what is kept of each endpoint: what was seen now, else what was seen last of the same chain."""
    now = tools.clock()
    rows = []
    for sight in sights:
        observation = seen.get(sight.key)
        last = before.get(sight.key)
        if observation is None and last is not None and last.chain == sight.chain:
            rows.append(last)
            continue
        served = observation.served if observation else None
        problem = observation.problem if observation else None
        rows.append(
            EndpointRecord(
                module=sight.module,
                key=sight.endpoint.key,
                slot=sight.endpoint.slot,
                address=str(sight.endpoint.address),
                server_name=sight.endpoint.server_name,
                chain=sight.chain,
                served_sha256=served.fingerprints[0] if served and served.fingerprints else None,
                ok=observation is None or observation.ok,
                problem=problem.problem if problem else None,
                checked_at=now if observation else None,
                next_at=now + tools.patience.interval if observation else now,
            )
        )
    return rows

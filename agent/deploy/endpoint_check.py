"""Endpoints of modules: what they should serve, what they serve, and what is stored of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agent.contract.endpoint import Endpoint, Expected
from agent.deploy.deploy_context import DeployContext
from agent.model.deployment import EndpointRecord, Generation
from agent.probing.probe import Observation

SAMPLE = 8
"""Endpoints of unchanged slots that are probed when only the configuration changed."""


@dataclass(frozen=True)
class EndpointCheck:
    """One endpoint of one module, and the chain that it should serve."""

    module: str
    endpoint: Endpoint
    expected: Expected
    chain: str

    @property
    def key(self) -> str:
        """Unique among all endpoints."""
        return f"{self.module} {self.endpoint.key}"

    @property
    def place(self) -> tuple[str, type]:
        """Address, and class of the probe."""
        return str(self.endpoint.address), type(self.endpoint.probe)


def checks_of(context: DeployContext, module: str, generation: Generation) -> list[EndpointCheck]:
    """Return every endpoint of a module's generation. Raises what asking the module raises."""
    endpoints = context.enabled.hooks.probes(module, context.context(module, generation))
    found = []
    for endpoint in endpoints:
        chain = generation.chains.get(endpoint.slot)
        if chain is not None and chain in context.records:
            expected = Expected(context.records[chain].fingerprints, generation.number)
            found.append(EndpointCheck(module, endpoint, expected, chain))
    return found


def checks_due(checks: Iterable[EndpointCheck], slots: set[str], wrong: set[str]) -> list[EndpointCheck]:
    """Return the endpoints of changed slots, or a sample where none changed; always those that were wrong last time too.

    `wrong`: their `EndpointCheck.key`.
    """
    checks = list(checks)
    chosen = [each for each in checks if each.endpoint.slot in slots] or checks[:SAMPLE]
    keys = {each.key for each in chosen}
    return [*chosen, *(each for each in checks if each.key in wrong - keys)]


def observe(context: DeployContext, checks: list[EndpointCheck], *, until_served: bool) -> dict[str, Observation]:
    """Probe endpoints and return the observations by `EndpointCheck.key`."""
    if not checks:
        return {}
    seen = context.prober.observe(
        [(check.endpoint, check.expected) for check in checks],
        timeout=context.wait_policy.timeout,
        handshakes=context.wait_policy.handshakes,
        until_served=until_served,
    )
    return {check.key: observation for check, observation in zip(checks, seen, strict=True)}


def records_of(
    context: DeployContext,
    checks: Iterable[EndpointCheck],
    seen: Mapping[str, Observation],
    before: Mapping[str, EndpointRecord],
) -> list[EndpointRecord]:
    """Return what is stored of each endpoint: what was seen now, else what was seen last of the same chain."""
    now = context.clock()
    rows = []
    for check in checks:
        observation = seen.get(check.key)
        last = before.get(check.key)
        if observation is None and last is not None and last.chain == check.chain:
            rows.append(last)
            continue
        served = observation.served if observation else None
        problem = observation.problem if observation else None
        rows.append(
            EndpointRecord(
                module=check.module,
                key=check.endpoint.key,
                slot=check.endpoint.slot,
                address=str(check.endpoint.address),
                server_name=check.endpoint.server_name,
                chain=check.chain,
                served_sha256=served.fingerprints[0] if served and served.fingerprints else None,
                ok=observation is None or observation.ok,
                problem=problem.problem if problem else None,
                checked_at=now if observation else None,
                next_at=now + context.wait_policy.interval if observation else now,
            )
        )
    return rows

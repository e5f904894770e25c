"""Endpoints of generations with what they should serve, and how they are probed."""

from __future__ import annotations

from dataclasses import dataclass

from agent.contract.endpoint import Endpoint, Expected
from agent.deploy.deploy_context import DeployContext
from agent.model.deployment import Generation
from agent.probing.addresses import first_address, further_addresses
from agent.probing.probe import Observation


@dataclass(frozen=True)
class EndpointCheck:
    """One endpoint of one module, and the chain that it should serve."""

    module: str
    endpoint: Endpoint
    expected: Expected
    chain: str
    further: bool = False
    """Whether it is another address than the one by which a deployment is judged."""

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
    endpoints = context.enabled.hooks.probes(context.enabled.modules[module], context.context(module, generation))
    found: dict[str, EndpointCheck] = {}
    asked: set[tuple[object, ...]] = set()
    for endpoint in endpoints:
        chain = generation.chains.get(endpoint.slot)
        if chain is None or chain not in context.records:
            continue
        expected = Expected(fingerprints=context.records[chain].fingerprints, generation=generation.number)
        own = context.addresses_on(endpoint.interfaces)
        first = EndpointCheck(module, first_address(endpoint, own), expected, chain)
        found.setdefault(first.key, first)
        for each in further_addresses(endpoint, own):
            # One name an address: whether it is another service's doesn't depend on the name, and there may be thousands.
            way = (str(each.address), each.starttls, type(each.probe))
            if way not in asked:
                asked.add(way)
                check = EndpointCheck(module, each, expected, chain, further=True)
                found.setdefault(check.key, check)
    return list(found.values())


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

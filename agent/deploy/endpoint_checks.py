"""Endpoints of generations with what they should serve, and how they are probed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent.contract.endpoint import Endpoint, Expected
from agent.deploy.deploy_context import DeployContext
from agent.model.deployment import EndpointRecord, Generation, RefusedKind
from agent.probing.addresses import first_address, further_addresses
from agent.probing.probe import Observation, TLSProbe


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


def is_plain_tls(endpoint: Endpoint) -> bool:
    """Whether a TLS handshake is all that shows a chain there: no STARTTLS, no way of a plugin's own."""
    probe = endpoint.probe
    if endpoint.path is not None or endpoint.starttls is not None:
        return False
    return probe is None or (isinstance(probe, TLSProbe) and probe.is_plain)


def checks_in_service(
    context: DeployContext, module: str, generation: Generation, known: Mapping[str, EndpointRecord]
) -> list[EndpointCheck]:
    """Return the endpoints at which what is in service is to be seen. Raises what asking the module raises.

    A module names those of its present settings. Where its service has refused the configuration made from them, what runs is
    elsewhere: where it was seen by the configuration before. `known`: what is stored of them by `EndpointCheck.key`.
    """
    checks = checks_of(context, module, generation)
    refused = _refused_slots(context, module)
    if not known or not refused:
        return checks
    all_of_it = "" in refused
    present = [each for each in checks if each.key in known or not (all_of_it or each.endpoint.slot in refused)]
    keys = {each.key for each in present}
    earlier = [
        check
        for key, record in known.items()
        if key not in keys and (all_of_it or record.slot in refused)
        if (check := _check_by(context, record, generation, checks)) is not None
    ]
    return present + earlier or checks


def _refused_slots(context: DeployContext, module: str) -> set[str]:
    """Return the slots whose configuration was refused; one that is empty: that of the module as a whole."""
    refusals = context.store.deployments.refusals()
    return {each.slot for each in refusals if each.module == module and each.kind is RefusedKind.CONFIGURATION}


def _check_by(
    context: DeployContext, record: EndpointRecord, generation: Generation, checks: Sequence[EndpointCheck]
) -> EndpointCheck | None:
    """Return how to look at an endpoint again that the module doesn't name any more; None: in which way isn't known."""
    chain = generation.chains.get(record.slot)
    alike = [each.endpoint for each in checks if each.endpoint.slot == record.slot]
    alike = [each for each in alike if is_plain_tls(each) == record.plain_tls]
    ways = {(each.starttls, type(each.probe)) for each in alike}
    if chain is None or chain not in context.records or len(ways) != 1:
        return None
    host, _, port = record.address.rpartition(":")
    tcp, path = port.isdecimal(), Path(record.address.removeprefix("unix:"))
    endpoint = replace(
        alike[0],
        server_name=record.server_name,
        host=host.strip("[]") if tcp else "",
        port=int(port) if tcp else 0,
        path=None if tcp else path,
        others=(),
        interfaces=(),
    )
    expected = Expected(fingerprints=context.records[chain].fingerprints, generation=generation.number)
    return EndpointCheck(record.module, endpoint, expected, chain, further=record.further)


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

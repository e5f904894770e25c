"""Footprints of what is in service: asked of modules and services while they are there, for when they are gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from agent.contract.context import DIRECTORY_MARK
from agent.contract.endpoint import Endpoint, StartTLS
from agent.deploy.deploy_context import DeployContext
from agent.deploy.units import Candidate, EmptiedUnit, EntryUnit, OwnUnit, SharedUnit, Unit
from agent.errors import AgentError
from agent.model.deployment import Generation
from agent.model.footprint import ModuleFootprint, ServedPlace, ServiceFootprint
from agent.probing.probe import TLSProbe

SAMPLE = 8
"""Names of one address that are looked at when the module is taken out."""


class Footprints:
    """Footprints of some modules' generations, and of their services. A module that can't be asked keeps its last one."""

    def __init__(self, context: DeployContext, generations: Mapping[str, Generation | None]) -> None:
        """Ask modules and services. `generations`: those that are in service, or are about to be."""
        self._store = context.store.footprints
        known = {name: each for name, each in generations.items() if each and name in context.enabled.modules}
        services = {service for name in known for service in context.enabled.modules[name].services}
        self._modules = {name: module_footprint(context, name, each) for name, each in known.items()}
        self._services = {name: service_footprint(context, name) for name in sorted(services)}

    def store(self) -> None:
        """Keep those that changed. Call inside `Store.write`."""
        for name, module in self._modules.items():
            if module and self._store.module(name) != module:
                self._store.put_module(name, module)
        for name, service in self._services.items():
            last = self._store.service(name)
            if last and last.own and last.running != service.running:
                self._store.put_former(name, last)
            if last != service:
                self._store.put_service(name, service)


def note_footprints(context: DeployContext, modules: Iterable[str]) -> None:
    """Store the footprints of modules that are in service."""
    found = Footprints(context, {name: context.live(name) for name in modules})
    with context.store.write():
        found.store()


def module_footprint(context: DeployContext, module: str, generation: Generation) -> ModuleFootprint | None:
    """Return what a module's generation has to do with others; None: it can't be asked."""
    asked = context.context(module, generation)
    hooks, settings = context.enabled.hooks, context.enabled.modules[module]
    services = settings.services
    try:
        endpoints = hooks.probes(settings, asked)
        reload = None if services else hooks.reload_command(settings, asked)
        in_place = not services and OwnUnit(context.enabled, module).checks_in_place
        check = hooks.check_command(settings, asked) if in_place else None
    except AgentError:
        return None
    seen = [each for each in endpoints if _is_tls(each) and each.slot in generation.chains]
    places = tuple(_place(each, generation.chains[each.slot]) for each in _sample(seen))
    return ModuleFootprint(services, places, reload, check)


def service_footprint(context: DeployContext, service: str) -> ServiceFootprint:
    """Return how a shared service is told that no module is left.

    A plugin that can't be asked about no module at all leaves nothing but what is known without it.
    """
    unit = SharedUnit(replace(context.enabled, lost={}), service, modules=())
    nothing = Candidate({}, {service: Path(DIRECTORY_MARK)})
    registered = context.enabled.services[service]
    group, own = registered.group, getattr(registered, "main", "") == "own"  # not every service has that choice
    try:
        rendering = unit.rendering(())
        running, check, reload = unit.running(nothing), unit.check(nothing), unit.reload(nothing)
    except AgentError:
        return ServiceFootprint(group, unit.checks_in_place, None, None, None, own=own)
    in_place, files, texts = unit.checks_in_place, rendering.files, rendering.texts
    return ServiceFootprint(group, in_place, running, check, reload, files, texts, own)


def unit_of(context: DeployContext, service: str, *, entirely: bool = False) -> EntryUnit | None:
    """Return a shared service as it is when modules are taken out of it; None: nothing is known of it any more.

    One that still has modules is asked itself, all others are what their footprint says.
    """
    known = service in context.enabled.services
    if known and (context.enabled.modules_of(service) or context.enabled.lost.get(service)):
        return SharedUnit(context.enabled, service)
    if context.enabled.lost.get(service):
        return None
    footprint = context.store.footprints.service(service)
    if footprint is None and known:
        footprint = service_footprint(context, service)
    return EmptiedUnit(service, footprint, entirely=entirely and footprint.in_place) if footprint else None


def former_units(context: DeployContext, units: Iterable[Unit], candidate: Candidate) -> list[EmptiedUnit]:
    """Return the daemons that had the entries of `units` before, where others have them now: another instance, or manager."""
    found = []
    for unit in units:
        footprint = context.store.footprints.service(unit.name) if isinstance(unit, EntryUnit) else None
        if footprint and footprint.running is not None and footprint.running != unit.running(candidate):
            found.append(EmptiedUnit(unit.name, footprint, entirely=True))
    return found


def endpoint_of(place: ServedPlace) -> Endpoint:
    """Return an endpoint to look at again."""
    return Endpoint(
        port=place.port,
        server_name=place.server_name,
        slot=place.slot,
        host=place.host,
        path=Path(place.path) if place.path else None,
        starttls=StartTLS(place.starttls) if place.starttls else None,
    )


def _sample(endpoints: Iterable[Endpoint]) -> Iterator[Endpoint]:
    """Yield a few names of each address: there may be thousands, and a service lets go of all of them or of none."""
    count: Counter[str] = Counter()
    for each in endpoints:
        count[str(each.address)] += 1
        if count[str(each.address)] <= SAMPLE:
            yield each


def _is_tls(endpoint: Endpoint) -> bool:
    return endpoint.probe is None or isinstance(endpoint.probe, TLSProbe)


def _place(endpoint: Endpoint, chain: str) -> ServedPlace:
    starttls = endpoint.starttls or getattr(endpoint.probe, "starttls", None)
    return ServedPlace(
        slot=endpoint.slot,
        chain=chain,
        host=endpoint.host,
        port=endpoint.port,
        path=str(endpoint.path) if endpoint.path else "",
        server_name=endpoint.server_name,
        starttls=str(starttls) if starttls else "",
    )

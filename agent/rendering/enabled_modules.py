"""Enabled modules and their services in one pass, and calls to them."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from agent.contract.context import (
    DIRECTORY_MARK,
    NUMBER_MARK,
    ChainFacts,
    Context,
    Http01,
    Issuer,
    ModulePart,
    ServiceContext,
)
from agent.contract.module import Module
from agent.contract.service import Service
from agent.contract.source import ChainRecord
from agent.contract.systemd_service import SystemdService
from agent.errors import AgentError
from agent.model.need import HostFacts
from agent.registry.answers import text
from agent.registry.places import place_of_answer
from agent.rendering.render import Ownership, Rendering, entry_of, render_module
from agent.rendering.templates import Templates, digest_of, search_path
from agent.system.layout import Layout
from agent.system.trust import read_regular

if TYPE_CHECKING:
    from agent.registry.hooks import Hooks

T = TypeVar("T")
END = "-----END CERTIFICATE-----\n"
OURS = ("agent", "plugins")
"""Packages of the core, and of the modules that come with it."""


@dataclass(frozen=True)
class EnabledModules:
    """Modules by name, registered services by name, and their contexts."""

    layout: Layout
    hooks: Hooks
    modules: Mapping[str, Module]
    services: Mapping[str, Service]
    host: HostFacts
    http01: Http01
    issuers: tuple[Issuer, ...] = ()
    """The appliance's roots, for modules that verify what they have signed."""
    lost: Mapping[str, tuple[ModulePart, ...]] = field(default_factory=dict)
    """Shared service -> live generations of modules that can't be asked now; they stay in service."""
    resolved: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    """Module -> host name that it needs addresses of -> the addresses; a name of which none is known isn't there."""
    _templates: dict[type, Templates] = field(default_factory=dict)

    def ownership(self, module: str) -> Ownership:
        """Return whose the files of a module are by default."""
        settings = self.modules[module]
        return Ownership(self.hooks.said(settings, "file_user", text), self.hooks.said(settings, "file_group", text))

    def who_names(self, owner: str, kind: str, name: str) -> tuple[str, str]:
        """Return what ``module:NAME`` or ``service:NAME`` is called, and where its plugin names this user or group."""
        word, _, own = owner.partition(":")
        declared: Mapping[str, Module | Service] = self.modules if word == "module" else self.services
        found = type(declared[own]) if own in declared else None
        is_plugin_s = found is not None and getattr(found, kind, "") == name
        place = place_of_answer(found, kind) if found and is_plugin_s else ""
        return own if word == "module" else f"service {own}", place

    def context(self, module: str, directory: Path, generation: str, chains: Mapping[str, ChainFacts]) -> Context:
        """Return what a module is told of one generation."""
        return Context(
            module=module,
            directory=directory,
            generation=generation,
            chains=chains,
            host=self.host,
            http01=self.http01,
            places=self.layout.module(module),
            services={name: self.services[name] for name in self.modules[module].services},
            issuers=self.issuers if self.hooks.is_so(self.modules[module], "verifies_peers") else (),
            resolved=self.resolved.get(module, {}),
        )

    def check_endpoints(self, module: str, chains: Mapping[str, ChainFacts]) -> None:
        """Raise what a module says of its endpoints that can't be right, before anything of it is switched."""
        context = self.context(module, self.layout.module(module).live, "0", chains)
        self.hooks.check_endpoints(self.modules[module], context)

    def service_context(self, service: str, directory: Path, parts: tuple[ModulePart, ...]) -> ServiceContext:
        """Return what a shared service is told of one entry."""
        return ServiceContext(
            service=service,
            directory=directory,
            parts=parts,
            host=self.host,
            http01=self.http01,
            places=self.layout.service(service),
        )

    def render(self, module: str, chains: Mapping[str, ChainFacts]) -> Rendering:
        """Return the files of a module with these chains, with marks for directory and number."""
        context = self.context(module, Path(DIRECTORY_MARK), NUMBER_MARK, chains)
        settings = self.modules[module]
        templates = self._templates_of(settings)
        chain_files = self.hooks.receive_chains(settings, context.chains)
        config_files = self.hooks.render_files(settings, context)
        self.hooks.check_slots(settings, [*chain_files, *config_files], context)
        ownership = self.ownership(module)
        return self.hooks.rendered(
            settings,
            "render_files",
            lambda: render_module(settings, chain_files, config_files, context, templates, ownership),
        )

    def render_entry(self, service: str, parts: tuple[ModulePart, ...]) -> Rendering:
        """Return the files of a shared service's entry that includes `parts`."""
        declaration = self.services[service]
        context = self.service_context(service, Path(DIRECTORY_MARK), parts)
        templates = self._templates_of(declaration)
        files = self.hooks.render_entry(declaration, context)
        return self.hooks.rendered(
            declaration, "render_entry", lambda: entry_of(declaration, files, context, templates)
        )

    def inputs(self, module: str) -> str:
        """Return a SHA-256 over all that a module's generation is made from, but for its chains."""
        settings = self.modules[module]
        made_of: list[Module | Service] = [settings, *(self.services[service] for service in settings.services)]
        seen = [
            _seen(each, self.hooks.digest_of_settings(each), self._paths(each), self.layout.root) for each in made_of
        ]
        told: list[object] = [self.host.to_json(), str(self.http01.webroot), self.http01.thumbprint]
        told.append(str(self.layout.root))
        told += [astuple(each) for each in self.issuers] if self.hooks.is_so(settings, "verifies_peers") else []
        return hashlib.sha256(json.dumps([seen, told]).encode()).hexdigest()

    def addresses(self, module: str) -> str:
        """Return a SHA-256 over the addresses of the host names that a module needs; empty where none is known."""
        found = sorted(self.resolved.get(module, {}).items())
        return hashlib.sha256(json.dumps(found).encode()).hexdigest() if found else ""

    def sources(self) -> list[Path]:
        """Return the files and directories that generations are made from: code and templates."""
        used = {name: self.services[name] for each in self.modules.values() for name in each.services}
        named: list[Module | Service] = [*self.modules.values(), *used.values()]
        return [path for each in named for path in (*_code_of(each), *self._paths(each))]

    def pid_files(self) -> list[Path]:
        """Return the files with the numbers of the services' processes, as far as services have one."""
        found = []
        for name, service in self.services.items():
            if isinstance(service, SystemdService):
                places = self.layout.service(name)
                with suppress(AgentError):
                    found.append(self.hooks.pid_path(service, places))
        return found

    def modules_of(self, service: str) -> list[str]:
        """Return the modules that share a service, in order of their names."""
        return sorted(name for name, module in self.modules.items() if service in module.services)

    def _paths(self, declaration: Module | Service) -> list[Path]:
        services = {name: type(self.services[name]) for name in _services_of(declaration)}
        return search_path(self.layout.templates, declaration.name, type(declaration), services)

    def _templates_of(self, declaration: Module | Service) -> Templates:
        kind = type(declaration)
        if kind not in self._templates:
            overriding = 1 + len(_services_of(declaration))
            paths, root = self._paths(declaration), self.layout.root
            self._templates[kind] = Templates(paths, declaration.name, overriding, root)
        return self._templates[kind]


def _services_of(declaration: Module | Service) -> tuple[str, ...]:
    return declaration.services if isinstance(declaration, Module) else ()


def facts_of(record: ChainRecord) -> ChainFacts:
    """Return what a plugin may know of a chain."""
    return ChainFacts(
        id=record.id,
        names=record.names,
        source=record.source,
        issuer=record.issuer,
        key_type=record.key_type,
        not_after=record.not_after,
        intermediates=len(record.fingerprints) - 1,
        other_roots=tuple(f"{each}{END}" for each in record.other_roots.split(END) if each),
    )


def _seen(declaration: Module | Service, digest: str, templates: list[Path], root: Path) -> list[str]:
    code = [hashlib.sha256(read_regular(each)).hexdigest() for each in _code_of(declaration) if os.path.exists(each)]  # noqa: PTH110
    return [digest, *(code or [""]), digest_of(templates, root)]


def _code_of(declaration: Module | Service) -> list[Path]:
    """Return the file of a class, of somebody else's package all that it may import; none: it was made by a program."""
    top = type(declaration).__module__.partition(".")[0]
    places = () if top in OURS else getattr(sys.modules.get(top), "__path__", ())
    if places:
        return sorted(each for place in places for each in Path(place).rglob("*.py"))
    try:
        return [Path(inspect.getfile(type(declaration)))]
    except (TypeError, OSError):
        return []

"""Templates by the name of their module or service, and which of them the administrator overrides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent.contract.module import Module
from agent.contract.service import Service
from agent.errors.deploy import TemplateRefused
from agent.model.override import Override
from agent.rendering.template_files import read_template
from agent.rendering.templates import EXTENDED, SUFFIX, search_path
from agent.system.layout import Layout


@dataclass(frozen=True, slots=True)
class TemplateFile:
    """Template by its name, as files: the built-in one, and the administrator's in its place."""

    template: str
    built_in: Path | None
    override: Path | None


@dataclass(slots=True)
class _Places:
    """Directories with the templates of one name: of a module, a service, or both."""

    operators: list[Path] = field(default_factory=list)
    own: list[Path] = field(default_factory=list)
    shared: list[Path] = field(default_factory=list)
    """What services have for their modules."""

    @property
    def built_in(self) -> list[Path]:
        return [*self.own, *self.shared]


class TemplateFiles:
    """Templates of some modules and services, and the administrator's."""

    def __init__(self, layout: Layout, modules: Iterable[type[Module]], services: Mapping[str, type[Service]]) -> None:
        self._layout = layout
        self._places: dict[str, _Places] = {}
        for module in modules:
            self._add(module, {name: services[name] for name in module.services if name in services})
        for service in services.values():
            self._add(service, {})

    def _add(self, kind: type[Module | Service], services: Mapping[str, type[Service]]) -> None:
        operator, name = self._layout.templates, kind.name
        own, found = search_path(operator, name, kind)[1:], search_path(operator, name, kind, services)
        places, count = self._places.setdefault(name, _Places()), 1 + len(services)
        places.operators += [each for each in found[:count] if each not in places.operators]
        places.own += [each for each in own if each not in places.own]
        places.shared += [each for each in found[count:] if each not in places.built_in]

    @property
    def names(self) -> frozenset[str]:
        """Return the names of the modules and services."""
        return frozenset(self._places)

    def all(self) -> list[TemplateFile]:
        """Return every template by its name: the built-in ones, and those of the administrator that override something else."""
        built_in = [f"{name}/{file}" for name, each in self._places.items() for file in _files(each.own)]
        overriding = [
            f"{name}/{file}" for name in self._operators() for file in _files([self._layout.templates / name])
        ]
        return [self.find(template) for template in sorted({*built_in, *overriding})]

    def find(self, template: str) -> TemplateFile:
        """Return a template as files."""
        name, _, file = template.partition("/")
        places, override = self._places.get(name, _Places()), self._layout.templates / template
        built_in = next((each / file for each in places.built_in if (each / file).is_file()), None)
        return TemplateFile(template, built_in, override if override.is_file() else None)

    def text(self, template: str) -> str | None:
        """Return the built-in text; None: there is none. Raises `TemplateRefused`."""
        name, _, file = template.partition("/")
        found = read_template(self._places.get(name, _Places()).built_in, file, self._layout.root)
        return found[0] if found else None

    def override(self, template: str) -> str | None:
        """Return the administrator's text; None: there is none. Raises `TemplateRefused`."""
        found = read_template([self._layout.templates], template, self._layout.root)
        return found[0] if found else None

    def overrides(self) -> Iterator[Override]:
        """Yield the administrator's templates of these modules and services; what can't be read is told where it is rendered."""
        for name in self._operators():
            for file in _files([self._layout.templates / name]) if name in self._places else ():
                template, path = f"{name}/{file}", self._layout.templates / name / file
                try:
                    built_in = self.text(template)
                except TemplateRefused:
                    continue
                yield Override(template, path, built_in, built_in is None and self.is_named(template))

    def is_named(self, template: str) -> bool:
        """Whether another template of the same module or service includes, imports or extends one."""
        name, _, file = template.partition("/")
        places = self._places.get(name, _Places())
        directories = [*places.operators, *places.built_in]
        found = ((directory, each) for directory in directories for each in _files([directory]))
        return any(_names(directory, each, file, self._layout.root) for directory, each in found)

    def _operators(self) -> list[str]:
        """Return the names that the administrator has a directory for."""
        directory = self._layout.templates
        return sorted(each.name for each in directory.iterdir() if each.is_dir()) if directory.is_dir() else []


def _files(directories: Iterable[Path]) -> list[str]:
    """Return the templates below these directories, relative to them."""
    return sorted(
        {str(each.relative_to(one)) for one in directories for each in one.glob(f"**/*{SUFFIX}") if each.is_file()}
    )


def _names(directory: Path, template: str, wanted: str, root: Path) -> bool:
    """Whether a template names another one. One that can't be read names none; one that computes a name may name any."""
    from jinja2 import Environment, TemplateSyntaxError, meta

    try:
        found = read_template([directory], template, root)
        named = set(meta.find_referenced_templates(Environment(autoescape=False).parse(found[0]))) if found else set()  # noqa: S701
    except (TemplateRefused, TemplateSyntaxError):
        return False
    return bool(named & {None, wanted, f"{EXTENDED}:{wanted}"})

"""Templates that an administrator may override: listed, compared and copied."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from agent.config.loading import load_all
from agent.engine.overrides import SCOPE
from agent.errors.problem import rfc3339
from agent.errors.store import NoStateYet
from agent.errors.usage import (
    TemplateNotOverridden,
    TemplateOverridden,
    TemplateOverridesNothing,
    TemplateUnwritable,
    UnknownTemplate,
)
from agent.model.override import OverrideBase
from agent.registry.plugins import Registry
from agent.rendering.overrides import TemplateFile, TemplateFiles
from agent.rendering.templates import SUFFIX
from agent.sources import BUILT_IN
from agent.store import Store
from agent.system.layout import Layout
from agent.system.writing import make_directory, replace, write_new


class TemplateState(StrEnum):
    """State of a template: whose it is, and whether that is well."""

    BUILT_IN = "built_in"
    OVERRIDDEN = "overridden"
    BEHIND = "behind"
    """Overridden, and the built-in one has changed since."""
    ADDED = "added"
    """Of the administrator alone; another template names it."""
    UNREAD = "unread"
    """Of the administrator alone; nothing names it."""


@dataclass(frozen=True, slots=True)
class TemplateRow:
    """One template."""

    template: str
    plugin: str
    """Empty: no plugin that is installed has any of that name."""
    state: TemplateState
    built_in: str | None
    """Path."""
    override: str | None
    """Path."""
    since: datetime | None
    """When it was copied, or the override was first seen."""


@dataclass(frozen=True, slots=True)
class TemplateDiff:
    """Differences of one template that is overridden, as unified diffs; empty: none."""

    template: str
    changed: str
    """What has changed in the built-in one since it was copied, or first seen to be overridden."""
    overridden: str
    """What the administrator's does otherwise."""


class OperatorsTemplates:
    """Templates of everything that is installed, and the administrator's."""

    def __init__(self, layout: Layout, clock: Callable[[], datetime]) -> None:
        registry = load_all(layout, BUILT_IN)
        self._layout = layout
        self._clock = clock
        self._files = TemplateFiles(layout, registry.modules.values(), registry.services)
        self._plugins = _plugins(registry)

    def rows(self) -> list[TemplateRow]:
        """Return every template. Raises `StoreError`, `TemplateRefused`."""
        bases = self._bases()
        return [self._row(each, bases.get(each.template)) for each in self._files.all()]

    def diff(self, name: str) -> TemplateDiff:
        """Compare a template with what it overrides.

        Raises `UnknownTemplate`, `TemplateNotOverridden`, `TemplateOverridesNothing`, `TemplateRefused`.
        """
        found, built_in, own = self._overridden(name)
        base, now = self._bases().get(found.template), f"built-in {found.template}"
        before = f"{now}, as it was at {rfc3339(base.since)}" if base else ""
        return TemplateDiff(
            template=found.template,
            changed=_diff(base.text, built_in, before, now) if base else "",
            overridden=_diff(built_in, own, now, str(found.override)),
        )

    def copy(self, name: str, *, force: bool) -> TemplateFile:
        """Copy a built-in template to where it goes before that; `force`: also over one that is there.

        Raises `UnknownTemplate`, `TemplateOverridesNothing`, `TemplateOverridden`, `TemplateUnwritable`, `TemplateRefused`.
        """
        found = self._find(name)
        built_in = self._files.text(found.template)
        if built_in is None:
            raise TemplateOverridesNothing(found.template)
        if found.override and not force:
            raise TemplateOverridden(str(found.override), found.template)
        self._remember(found.template, built_in)
        self._write(found.template, built_in, force=force)
        return self._files.find(found.template)

    def keep(self, name: str) -> TemplateFile:
        """Take the built-in template as it is now for what the administrator's has been made to fit. Raises what `diff` does."""
        found, built_in, _own = self._overridden(name)
        self._remember(found.template, built_in)
        return found

    def _row(self, found: TemplateFile, base: OverrideBase | None) -> TemplateRow:
        built_in, override = (str(each) if each else None for each in (found.built_in, found.override))
        return TemplateRow(
            template=found.template,
            plugin=self._plugins.get(found.template.partition("/")[0], ""),
            state=self._state(found, base),
            built_in=built_in,
            override=override,
            since=base.since if base and override else None,
        )

    def _state(self, found: TemplateFile, base: OverrideBase | None) -> TemplateState:
        if found.override is None:
            return TemplateState.BUILT_IN
        if found.built_in is None:
            return TemplateState.ADDED if self._files.is_named(found.template) else TemplateState.UNREAD
        behind = base is not None and base.text != self._files.text(found.template)
        return TemplateState.BEHIND if behind else TemplateState.OVERRIDDEN

    def _find(self, name: str) -> TemplateFile:
        known = {each.template: each for each in self._files.all()}
        found = known.get(name) or known.get(f"{name}{SUFFIX}")
        if found is None:
            raise UnknownTemplate(name, known)
        return found

    def _overridden(self, name: str) -> tuple[TemplateFile, str, str]:
        """Return a template that is overridden, its built-in text and the administrator's."""
        found = self._find(name)
        own, built_in = self._files.override(found.template), self._files.text(found.template)
        if own is None:
            raise TemplateNotOverridden(found.template)
        if built_in is None:
            raise TemplateOverridesNothing(found.template)
        return found, built_in, own

    def _bases(self) -> dict[str, OverrideBase]:
        with Store.open_or_empty(self._layout) as store:
            return store.overrides.all()

    def _remember(self, template: str, text: str) -> None:
        """Keep what a template is made from, and take back what is said of it. Before the first run, the first pass does it."""
        now, path = self._clock(), str(self._layout.templates / template)
        with suppress(NoStateYet), Store.open_existing(self._layout) as store, store.write():
            store.overrides.put([OverrideBase(template, text, now)])
            others = [each for each in store.conditions.of(SCOPE) if each.subject != path]
            store.conditions.replace(SCOPE, others, now)

    def _write(self, template: str, text: str, *, force: bool) -> None:
        path = self._layout.templates / template
        missing = [each for each in path.parents if each.is_relative_to(self._layout.etc) and not each.is_dir()]
        try:
            for each in reversed(missing):
                make_directory(each, mode=0o755)
            (replace if force else write_new)(path, text.encode(), mode=0o644)
        except OSError as error:
            raise TemplateUnwritable(str(path), (error.strerror or str(error)).lower()) from error


def _plugins(registry: Registry) -> dict[str, str]:
    """Return the plugin of each name that has templates."""
    kinds = ("module ", "service ")
    return {
        text.partition(" ")[2]: record.name
        for record in registry.plugins
        for text in record.contributions
        if text.startswith(kinds)
    }


def _diff(before: str, after: str, before_name: str, after_name: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), before_name, after_name, lineterm="")
    return "".join(f"{line}\n" for line in lines)

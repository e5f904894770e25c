"""What a pass notes of the administrator's templates."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime

from agent.health.templates import of_overrides
from agent.model.override import Override, OverrideBase
from agent.rendering.enabled_modules import EnabledModules
from agent.rendering.overrides import TemplateFiles
from agent.store import Store

SCOPE = "templates"


def read_overrides(enabled: EnabledModules) -> list[Override]:
    """Read the administrator's templates of the enabled modules and their services."""
    modules = [type(each) for each in enabled.modules.values()]
    services = {name: type(each) for name, each in enabled.services.items()}
    return list(TemplateFiles(enabled.layout, modules, services).overrides())


def note_overrides(store: Store, overrides: Sequence[Override], now: datetime) -> None:
    """Keep what those are made from that are seen for the first time, and note which are behind. Call inside `Store.write`."""
    known = store.overrides.all()
    new = [
        OverrideBase(each.template, each.built_in, now)
        for each in overrides
        if each.template not in known and each.built_in is not None
    ]
    store.overrides.put(new)
    # What a disabled module has is still there when it is enabled again.
    # A path object raises where a damaged row holds what can be no name.
    store.overrides.forget(each for each in known if not os.path.exists(store.layout.templates / each))  # noqa: PTH110
    bases = known | {each.template: each for each in new}
    store.conditions.replace(SCOPE, of_overrides(overrides, bases), now)

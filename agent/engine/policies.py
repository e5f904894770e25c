"""Memory of the plugins that wrap hooks: one that can't be used later governs what it wrapped all the same."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress

from agent.registry.life_hooks import LIFE
from agent.store import Store

POLICIES = "policies"
"""Where it is kept which hooks each plugin wraps."""


def remembered_policies(store: Store) -> dict[str, list[str]]:
    """Return plugin -> the hooks that it wrapped when it worked last; none where that can't be read."""
    with suppress(ValueError):
        known = json.loads(store.meta(POLICIES) or "{}")
        if isinstance(known, dict):
            return {plugin: [each for each in LIFE if each in hooks] for plugin, hooks in known.items()}
    return {}


def remember_policies(store: Store, policies: Mapping[str, Sequence[str]]) -> None:
    """Keep which hooks each plugin wraps."""
    store.remember(POLICIES, json.dumps(policies))

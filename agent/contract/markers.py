"""Decorators of the plugin contract."""

from __future__ import annotations

import pluggy

hookspec = pluggy.HookspecMarker("chainwright")
hookimpl = pluggy.HookimplMarker("chainwright")
"""Marks a function of a plugin as the answer to a hook of `agent.hookspecs`."""

"""Kinds of plugins that a new project can be for."""

from __future__ import annotations

from enum import StrEnum


class PluginKind(StrEnum):
    """Kind of a new plugin."""

    MODULE = "module"
    """A service of the appliance that gets chains."""
    SERVICE = "service"
    """A daemon that several modules share."""
    SOURCE = "source"
    SOLVER = "solver"
    """Of DNS-01 challenges."""
    NOTIFIER = "notifier"
    POLICY = "policy"
    """A rule for the modules of others."""

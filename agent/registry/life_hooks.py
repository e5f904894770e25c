"""Hooks of the life of a module or service: who is asked, and the types of what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.contract.context import Consequence
from agent.contract.declaration import Declaration
from agent.contract.endpoint import Endpoint
from agent.contract.file import ChainFile, Template, Text
from agent.contract.module import Module
from agent.contract.service import Service
from agent.model.need import Need
from agent.system.command import Command, Signal

MANY_NEEDS = 5_000
"""Chains of one module beyond which somebody should know: a pass with as many takes long."""
MOST_NEEDS = 20_000
"""Chains that one module may ask for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a hook may answer."""

    kinds: tuple[type, ...]
    """Of the value, or of the members where it is a list."""
    several: bool = False
    """It is a list; a module may return any iterable."""
    optional: bool = False
    """It may be None."""


_COMMAND = Answer((Command,), optional=True)
MODULE_HOOKS: Mapping[str, Answer] = {
    "declare_needs": Answer((Need,), several=True),
    "names_to_resolve": Answer((str,), several=True),
    "receive_chains": Answer((ChainFile,), several=True),
    "render_files": Answer((Template, Text), several=True),
    "prepare_command": Answer((Command,), several=True),
    "check_command": _COMMAND,
    "reload_command": Answer((Command, Signal), optional=True),
    "running": Answer((Command, Path), optional=True),
    "start_command": _COMMAND,
    "confirm_command": _COMMAND,
    "probes": Answer((Endpoint,), several=True),
    "observe_command": _COMMAND,
    "mend_command": _COMMAND,
    "inspect_command": _COMMAND,
    "consequences_of": Answer((Consequence,), several=True),
}
"""The life of a module."""
SERVICE_HOOKS: Mapping[str, Answer] = {
    "render_entry": Answer((Template, Text), several=True),
    "check_command": _COMMAND,
    "included_command": _COMMAND,
    "diagnose_command": _COMMAND,
    "reload_command": MODULE_HOOKS["reload_command"],
    "running": MODULE_HOOKS["running"],
    "start_command": _COMMAND,
    "confirm_command": _COMMAND,
    "observe_command": _COMMAND,
    "mend_command": _COMMAND,
    "why_unseen": Answer((str,)),
    "warnings_in": Answer((str,), several=True),
    "cure_for": Answer((str,)),
    "awaits_network": Answer((bool,)),
}
"""What a service that modules share is asked."""
LIFE: Mapping[str, Answer] = {**MODULE_HOOKS, **SERVICE_HOOKS}
"""Hooks that are asked of one declaration at a time: a policy wraps them, and no plugin as a whole answers them."""

SWITCHING = LIFE.keys() - {
    "observe_command",
    "mend_command",
    "inspect_command",
    "consequences_of",
    "included_command",
    "diagnose_command",
    "why_unseen",
    "cure_for",
    "awaits_network",
}
"""Hooks that decide what is switched, and whether it is kept; the others look, and find words."""


def hooks_of(declaration: type) -> Mapping[str, Answer]:
    """Return the hooks that are asked of a class of modules or services."""
    if issubclass(declaration, Module):
        return MODULE_HOOKS
    return SERVICE_HOOKS if issubclass(declaration, Service) else {}


def subject_of(asked: Declaration) -> str:
    """Return what an error names: the instance of a module, or ``service NAME``."""
    return f"service {asked.instance}" if isinstance(asked, Service) else asked.instance

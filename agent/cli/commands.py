"""Commands and groups of commands, and the options that all of them take."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent.errors.usage import UnknownCommand
from agent.system.layout import Layout

if TYPE_CHECKING:
    from agent.auth.person import Actor
    from agent.operations.locked_state import LockedState
    from agent.system.clock import Clock

HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
WAIT = 60.0
"""Seconds for the lock."""
DEBUG = "chainwright.debug"
"""In the context's `meta`: whether tracebacks are wanted."""


def wants_details() -> bool:
    """Whether the command line has ``--debug``."""
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get(DEBUG))


@dataclass
class Invocation:
    """The options of every command line."""

    root: Path = Path("/")
    as_json: bool = False
    has_changed: bool = False
    """Whether the command may have changed something, so that there are events to tell of."""

    @property
    def layout(self) -> Layout:
        """Return the appliance's paths."""
        return Layout(self.root)

    def now(self) -> datetime:
        """Return the present instant, UTC, as far as the machine's clock is believed."""
        return self.clock()

    @property
    def clock(self) -> Clock:
        """Return the clock by which the appliance decides."""
        from agent.system.clock import Clock

        return Clock(self.root)

    def locked_state(self, who: str, *, timeout: float = WAIT) -> AbstractContextManager[LockedState]:
        """Hold the lock for one change by the command `who`. Raises `LockHeld`, `SettingsRefused` and `StoreError`.

        `timeout`: seconds of the whole command.
        """
        from agent.engine.engine import Engine
        from agent.operations.locked_state import locked_state

        self.has_changed = True
        engine = Engine(self.layout, who=f"chainwright {who}")
        return locked_state(engine, min(WAIT, timeout), actor=self.actor())

    def actor(self) -> Actor:
        """Return who has called the command, for the audit record."""
        from agent.cli.actor import command_actor

        return command_actor()


class Command(click.Command):
    """A command that takes ``--root`` and ``--json``, unless it declares them itself.

    `example`: what its help ends with; the first line is typed by the user.
    """

    def __init__(self, *arguments: Any, example: str = "", **options: Any) -> None:
        if example:
            options.setdefault("epilog", f"\b\nExample:\n{_indented(example)}")
        options["context_settings"] = HELP | (options.get("context_settings") or {})
        super().__init__(*arguments, **options)
        taken = {option for parameter in self.params for option in parameter.opts}
        self.params += [option for option in (json_option(), root_option()) if not taken & set(option.opts)]


def command(name: str, *, example: str) -> Callable[[Callable[..., Any]], Command]:
    """Make a command that is in no group."""
    return click.command(name, cls=Command, example=example)


def _indented(example: str) -> str:
    return "\n".join(f"  {line}" for line in example.strip("\n").splitlines())


def root_option() -> click.Option:
    """Return ``--root``: before the command and after it."""
    return click.Option(
        ["--root"],
        type=click.Path(file_okay=False, path_type=Path),
        expose_value=False,
        is_eager=True,
        callback=_keep_root,
        help="Directory that holds /etc, /var and /run of the appliance.  [default: /]",
    )


def json_option() -> click.Option:
    """Return ``--json``."""
    return click.Option(
        ["--json"], is_flag=True, expose_value=False, callback=_keep_json, help="Print JSON, with a schema number."
    )


def _keep_root(context: click.Context, _option: click.Parameter, value: Path | None) -> None:
    if value is not None:
        invocation(context).root = value.absolute()


def _keep_json(context: click.Context, _option: click.Parameter, value: bool) -> None:
    invocation(context).as_json = value


def invocation(context: click.Context) -> Invocation:
    """Return the options of every command line."""
    found: Invocation = context.ensure_object(Invocation)
    return found


class CommandGroup(click.Group):
    """A group of commands; a plugin's too."""

    command_class = Command
    group_class = type

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options.setdefault("context_settings", HELP)
        super().__init__(*arguments, **options)
        if not any("--root" in parameter.opts for parameter in self.params):
            self.params.append(root_option())

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or ask whether another one was meant."""
        name = arguments[0]
        found = self.get_command(context, name)
        if found is None and not context.resilient_parsing:
            raise UnknownCommand(name, self.list_commands(context), context.command_path)
        return name if found else None, found, arguments[1:]

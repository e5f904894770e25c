"""The commands: each is imported when it is asked for; those of plugins stand beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent.cli.output import wants_colour
from agent.errors.usage import UnknownCommand
from agent.system.layout import Layout

if TYPE_CHECKING:
    from agent.registry.plugins import PluginCommands

HOMES = {
    "acme": "agent.cli.acme",
    "apply": "agent.cli.apply",
    "boot": "agent.cli.apply",
    "completion": "agent.cli.completion",
    "config": "agent.cli.config",
    "delete": "agent.cli.upload",
    "demo": "agent.cli.processes",
    "events": "agent.cli.events",
    "explain": "agent.cli.explain",
    "export": "agent.cli.upload",
    "plan": "agent.cli.plan",
    "plugins": "agent.cli.plugins",
    "reissue": "agent.cli.reissue",
    "render": "agent.cli.render",
    "renew": "agent.cli.reissue",
    "revoke": "agent.cli.acme",
    "root": "agent.cli.root",
    "run": "agent.cli.processes",
    "show": "agent.cli.show",
    "status": "agent.cli.status",
    "upload": "agent.cli.upload",
    "uploads": "agent.cli.upload",
    "webui": "agent.cli.webui",
}
"""Command -> the module in which a click command of that name stands."""
HIDDEN = {"api": "agent.cli.api"}
"""The same for what only the agent itself calls."""
HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@dataclass
class Invocation:
    """What stands on the command line for every command."""

    root: Path = Path("/")
    as_json: bool = False

    @property
    def layout(self) -> Layout:
        """Return the appliance's paths."""
        return Layout(self.root)

    def now(self) -> datetime:
        """Return the present instant, UTC; never one before the release."""
        from agent.system.release import plausible

        return plausible(datetime.now(UTC))


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
    """Make a command that stands by itself."""
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
        help="Directory under which /etc, /var and /run of the appliance stand.  [default: /]",
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
    """Return what stands on the command line for every command."""
    found: Invocation = context.ensure_object(Invocation)
    return found


class Family(click.Group):
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


class Program(Family):
    """`chainwright` itself."""

    def __init__(self) -> None:
        super().__init__(
            "chainwright",
            help="The certificate agent of a network appliance.",
            epilog="\b\nExample:\n  $ chainwright apply\n  $ chainwright status",
            params=[root_option(), _colour_option(), _debug_option(), _version_option()],
            no_args_is_help=True,
        )
        self._found: list[PluginCommands] | None = None

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names of the built-in commands, then those of plugins."""
        return [*HOMES, *sorted(each.plugin for each in self._of_plugins(context) if each.plugin not in HOMES)]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import one command."""
        home = HOMES.get(name) or HIDDEN.get(name)
        if home is not None:
            found: click.Command = getattr(import_module(home), name)
            return found
        for each in self._of_plugins(context):
            if each.plugin == name and each.error is not None and not context.resilient_parsing:
                raise each.error
            if each.plugin == name:
                return each.group
        return None

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command. Which plugins there are depends on a ``--root`` that may stand after it."""
        if arguments[0] not in HOMES and "--root" in arguments[:-1]:
            place = Path(arguments[arguments.index("--root") + 1])
            invocation(context).root = place.absolute()
        return super().resolve_command(context, arguments)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands of plugins apart; one whose plugin failed is named."""
        rows = [(name, _short(self.get_command(context, name))) for name in HOMES]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
        found = [(each.plugin, _help_of(each)) for each in self._of_plugins(context) if each.plugin not in HOMES]
        if found:
            with formatter.section("Commands of plugins"):
                formatter.write_dl(found)

    def _of_plugins(self, context: click.Context) -> list[PluginCommands]:
        if self._found is None:
            from agent.cli.appliance import plugin_commands

            self._found = plugin_commands(invocation(context))
        return self._found


def _short(found: click.Command | None) -> str:
    return found.get_short_help_str(80) if found else ""


def _help_of(each: PluginCommands) -> str:
    if each.error is not None:
        return f"failed: {each.error.problem.cause}"
    names = ", ".join(sorted(each.group.commands)) if each.group else ""
    return (each.group.get_short_help_str(80) if each.group else "") or names


def _colour_option() -> click.Option:
    return click.Option(
        ["--no-color"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_keep_colour,
        help="Print no colours; NO_COLOR and TERM=dumb do the same.",
    )


def _keep_colour(context: click.Context, _option: click.Parameter, value: bool) -> None:
    context.color = wants_colour(False if value else None)


def _debug_option() -> click.Option:
    return click.Option(["--debug"], is_flag=True, expose_value=False, help="Show the traceback of an error.")


def _version_option() -> click.Option:
    return click.Option(
        ["--version"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_print_version,
        help="Print the version and exit.",
    )


def _print_version(context: click.Context, _option: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        from agent.system.release import version

        click.echo(f"chainwright {version()}")
        context.exit()

"""The program `chainwright`: its commands, each imported when it is called, and the output of errors."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from keyword import iskeyword
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.cli.commands import DEBUG, CommandGroup, Invocation, invocation, root_option
from agent.cli.exit_codes import DONE, FAILED, INTERRUPTED, USAGE, exit_code
from agent.cli.files import FILE
from agent.cli.output import print_json, wants_colour
from agent.errors import AgentError
from agent.errors.settings import SettingsRefused
from agent.errors.usage import CommandLineWrong, Unexpected

if TYPE_CHECKING:
    from agent.registry.registration import PluginCommands

COMMANDS = {
    "acme": "agent.cli.acme",
    "apply": "agent.cli.apply",
    "backup": "agent.cli.backup",
    "boot": "agent.cli.boot",
    "clock": "agent.cli.clock",
    "completion": "agent.cli.completion",
    "config": "agent.cli.config",
    "delete": "agent.cli.upload",
    "demo": "agent.cli.processes",
    "events": "agent.cli.events",
    "explain": "agent.cli.explain",
    "export": "agent.cli.upload",
    "import": "agent.cli.importing",
    "pin": "agent.cli.pins",
    "plan": "agent.cli.plan",
    "plugins": "agent.cli.plugins",
    "reissue": "agent.cli.reissue",
    "render": "agent.cli.render",
    "renew": "agent.cli.reissue",
    "repair": "agent.cli.repair",
    "restore": "agent.cli.backup",
    "revoke": "agent.cli.acme",
    "root": "agent.cli.root",
    "run": "agent.cli.processes",
    "show": "agent.cli.show",
    "status": "agent.cli.status",
    "templates": "agent.cli.templates",
    "unpin": "agent.cli.pins",
    "upload": "agent.cli.upload",
    "uploads": "agent.cli.upload",
    "webui": "agent.cli.webui",
}
"""Command -> the module with the click command of that name."""
TRACE_FILE = "--trace-hooks-to"
HIDDEN = {"api": "agent.cli.api"}
"""The same for what only the agent itself calls."""


class Program(CommandGroup):
    """`chainwright` itself."""

    def __init__(self) -> None:
        super().__init__(
            "chainwright",
            help="The certificate agent of a network appliance.",
            epilog="\b\nExample:\n  $ chainwright apply\n  $ chainwright status",
            params=[root_option(), _colour_option(), _debug_option(), *_trace_options(), _version_option()],
            no_args_is_help=True,
        )
        self._found: list[PluginCommands] | None = None

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names of the built-in commands, then those of plugins."""
        return [*COMMANDS, *sorted(each.plugin for each in self._of_plugins(context) if each.plugin not in COMMANDS)]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import one command."""
        home = COMMANDS.get(name) or HIDDEN.get(name)
        if home is not None:
            found: click.Command = getattr(import_module(home), f"{name}_" if iskeyword(name) else name)
            return found
        for each in self._of_plugins(context):
            if each.plugin == name and each.error is not None and not context.resilient_parsing:
                raise each.error
            if each.plugin == name:
                return each.group
        return None

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Read the options before the command."""
        given = [re.sub("^--trace-hooks=", f"{TRACE_FILE}=", each) for each in args]
        return super().parse_args(context, given)

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command. Which plugins there are depends on a ``--root`` that may come after it."""
        if arguments[0] not in COMMANDS and "--root" in arguments[:-1]:
            place = Path(arguments[arguments.index("--root") + 1])
            invocation(context).root = place.absolute()
        return super().resolve_command(context, arguments)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands of plugins apart; one whose plugin failed is named."""
        rows = [(name, _short(self.get_command(context, name))) for name in COMMANDS]
        with formatter.section("Commands"):
            formatter.write_dl(rows)
        found = [(each.plugin, _help_of(each)) for each in self._of_plugins(context) if each.plugin not in COMMANDS]
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
    return click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_keep_debug,
        help="Show the traceback of an error, and where in a plugin something has failed.",
    )


def _keep_debug(context: click.Context, _option: click.Parameter, value: bool) -> None:
    context.meta[DEBUG] = value


def _trace_options() -> list[click.Option]:
    """Return ``--trace-hooks``, and what ``--trace-hooks=FILE`` is read as: click knows no option with a value or without."""
    shown = "Tell of each call of a plugin, on standard error; --trace-hooks=FILE appends it to a file."
    flag = click.Option(["--trace-hooks"], is_flag=True, expose_value=False, callback=_trace_hooks, help=shown)
    file = click.Option([TRACE_FILE], type=FILE, expose_value=False, hidden=True, callback=_trace_hooks_to)
    return [flag, file]


def _trace_hooks(_context: click.Context, _option: click.Parameter, value: bool) -> None:
    from agent.registry.tracing import TO_STDERR, VARIABLE

    if value:
        os.environ[VARIABLE] = TO_STDERR


def _trace_hooks_to(_context: click.Context, _option: click.Parameter, value: Path | None) -> None:
    from agent.registry.tracing import VARIABLE

    if value is None:
        return
    try:
        value.open("ab").close()
    except OSError as error:
        reason = f"{value}: {(error.strerror or str(error)).lower()}"
        raise click.BadParameter(reason, param_hint="'--trace-hooks'") from error
    os.environ[VARIABLE] = str(value.absolute())


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


def run(program: str, arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; plugins are told of what it has changed when it is over."""
    called = Invocation()
    try:
        return _run(program, arguments, called)
    finally:
        if called.has_changed:
            from agent.cli.delivery import deliver_later

            deliver_later(called.layout)


def _run(program: str, arguments: Sequence[str], called: Invocation) -> int:
    try:
        answer = Program().main(args=list(arguments), prog_name=program, standalone_mode=False, obj=called)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has gone: Python would raise again when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted.", err=True)
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return USAGE
    except Exception as error:
        if "--debug" in arguments:
            raise
        return _fail(_translated(error, program), "--json" in arguments)
    return answer if isinstance(answer, int) else DONE


def failed(error: Exception, *, as_json: bool = False) -> int:
    """Print why a command failed; return the exit code."""
    return _fail(_translated(error, "chainwright"), as_json=as_json)


def _translated(error: Exception, program: str) -> AgentError:
    if isinstance(error, AgentError):
        return error
    if isinstance(error, click.UsageError):
        return CommandLineWrong(error.format_message(), error.ctx.command_path if error.ctx else program)
    if isinstance(error, click.ClickException):
        return CommandLineWrong(error.format_message(), program)
    return Unexpected(error)


def _fail(error: AgentError, as_json: bool) -> int:
    lines = error.problem.lines()
    click.echo(f"{click.style('Error:', fg='red', bold=True)} {lines[0]}", err=True)
    for line in lines[1:]:
        click.echo(line, err=True)
    if as_json:
        rows = [each.to_json() for each in error.errors] if isinstance(error, SettingsRefused) else None
        print_json({"problem": error.problem.to_json(), **({"errors": rows} if rows else {})})
    return exit_code(error)

"""Running a command: what it raises becomes two lines, or a problem object, and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from agent.cli.commands import Program
from agent.cli.output import print_json
from agent.errors import AgentError
from agent.errors.operations import NothingToReissue
from agent.errors.settings import SettingsError, SettingsRefused
from agent.errors.store import LockHeld
from agent.errors.usage import CommandLineWrong, Unexpected, UsageError

DONE, FAILED, USAGE, DEGRADED, BUSY, DUE = 0, 1, 2, 3, 5, 10
INTERRUPTED = 130
"""As shells have it: 128 and the signal's number."""


def run(program: str, arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        answer = Program().main(args=list(arguments), prog_name=program, standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has gone: Python would complain once more when it closes stdout.
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


def exit_code(error: AgentError) -> int:
    """Return what a process ends with that fails with `error`."""
    if isinstance(error, LockHeld):
        return BUSY
    return USAGE if isinstance(error, UsageError | SettingsError | NothingToReissue) else FAILED


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

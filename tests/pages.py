"""The parts of the documentation that are made from the code: hooks, errors, public names, settings of the core."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
from errors.test_every_error import EXAMPLES

import agent
from agent import hookspecs
from agent.cli.commands import Invocation, Program
from agent.contract import METHODS, hook_arguments
from agent.errors import Problem
from agent.report import problems

ROOT = Path(__file__).parent.parent
AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
END = "<!-- end -->"


def compare(page: str, name: str, made: str) -> None:
    """Compare `made` with what stands in `page` between ``<!-- made: NAME -->`` and ``<!-- end -->``."""
    path = ROOT / page
    text = path.read_text()
    begin = f"<!-- made: {name} -->\n"
    assert text.count(begin) == 1, f"{page} has no place for {name}"
    before, _, rest = text.partition(begin)
    kept, _, after = rest.partition(END)
    if os.environ.get("GOLDEN") == "write":
        path.write_text(f"{before}{begin}{made}{END}{after}")
        return
    assert kept == made, f"{page} is behind the code: GOLDEN=write pytest tests/test_docs.py"


# Hooks


def signature(hook: str) -> str:
    """Return a hook as it's declared, without `self`, on one line."""
    return f"{hook}{inspect.signature(getattr(hookspecs, hook))}".replace("'", "")


def hook_section(hook: str) -> str:
    text = inspect.getdoc(getattr(hookspecs, hook)) or ""
    method = f"\nOf a `Module`: override the plain method `{METHODS[hook]}`.\n" if hook in METHODS else ""
    prose, fence, code = text.partition("\n```python")
    return f"### `{hook}`\n\n```python\n{signature(hook)}\n```\n\n{prose.rstrip()}\n{method}{fence}{code.rstrip()}\n\n"


def hook_reference() -> str:
    return "\n" + "".join(hook_section(hook) for hook in hook_arguments())


def public_names() -> str:
    """Return a table of all that a plugin may import, each with the first line of its docstring."""
    rows = [f"| `{name}` | {_cell(_described(name))} |\n" for name in agent.__all__]
    return "\n| name | |\n|---|---|\n" + "".join(rows) + "\n"


def _described(name: str) -> str:
    if name in WITHOUT_DOCSTRING:
        return WITHOUT_DOCSTRING[name]
    if agent._HOMES[name] == "fields":
        return "A type of setting, see below."
    return (inspect.getdoc(getattr(agent, name)) or "").partition("\n")[0]


WITHOUT_DOCSTRING = {
    "Action": "A `Command` or a `Signal`.",
    "hookimpl": "Marks a function as the answer to a hook.",
}


# Commands


def command_table() -> str:
    """Return a table of every command with the first sentence of its help; of a family, each of its commands."""
    program = Program()
    context = click.Context(program, info_name="chainwright", obj=Invocation(root=Path("/nowhere")))
    return "\n| command | |\n|---|---|\n" + "".join(_command_rows(program, context, "")) + "\n"


def _command_rows(family: click.Group, context: click.Context, prefix: str) -> Iterator[str]:
    for name in sorted(family.list_commands(context)):
        command = family.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _command_rows(command, context, f"{prefix}{name} ")
        else:
            yield f"| `{prefix}{name}` | {_cell(command.get_short_help_str(300))} |\n"


# Errors


def error_tables() -> str:
    """Return a table of problems for each family, each with the first example of what it says."""
    first: dict[str, Problem] = {}
    for problem in (*(error.problem for error in EXAMPLES), *status_problems()):
        first.setdefault(problem.code, problem)
    families: dict[str, list[str]] = {}
    for code in sorted(first):
        families.setdefault(code.partition(".")[0], []).append(_error_row(first[code]))
    return "".join(f"\n## {family}\n\n{_HEAD}{''.join(found)}" for family, found in families.items()) + "\n"


def status_problems() -> list[Problem]:
    """Return what the status says by itself, though nothing raised it."""
    return [
        problems.expired(AT),
        problems.revoked(AT),
        problems.overdue(AT, None),
        problems.no_chain("mail", "smtp", "no source serves it"),
        problems.not_switched("mail"),
        problems.window("mail", AT),
        problems.observer_failed("notify", "It failed."),
    ]


_HEAD = "| code | for example | meanwhile | next step |\n|---|---|---|---|\n"


def _error_row(problem: Problem) -> str:
    where = f"{problem.where}: " if problem.where else ""
    cells = (f"`{problem.code}`", _cell(where + problem.cause), _cell(problem.effect), _cell(problem.fix))
    return f"| {' | '.join(cells)} |\n"


def _cell(text: str) -> str:
    escaped = re.sub(r"([|*_<\[\]])", r"\\\1", " ".join(text.replace("``", "`").split()))
    return re.sub(r"`([^`]*)`", lambda found: f"`{found[1].replace(chr(92), '')}`", escaped)

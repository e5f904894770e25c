"""``chainwright config``: settings checked and shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from agent.cli.commands import CommandGroup, Invocation
from agent.cli.exit_codes import DEGRADED
from agent.cli.output import note, print_json
from agent.cli.words import counted

if TYPE_CHECKING:
    from agent.config.settings import Settings


@click.group("config", cls=CommandGroup, epilog="\b\nExample:\n  $ chainwright config check", no_args_is_help=True)
def config() -> None:
    """Check or show the settings."""


@config.command(
    "check",
    example="""
$ chainwright config check
The settings can be used: 2 modules (reverse_proxy, webui), sources uploaded, local.
""",
)
@click.pass_obj
def check(invocation: Invocation) -> int:
    """Say whether the settings can be used, with every error at once.

    Exits with 2 when they can't, with 3 when a plugin that they name is broken, or a CA can't be asked with them.
    """
    from agent.engine.unchanged_settings import load_settings
    from agent.operations.ca_settings import ca_problems

    settings, registry = load_settings(invocation.layout)
    broken = [entry.error.problem for entry in settings.entries.values() if entry.enabled and entry.error]
    broken += [error.problem for error in settings.failures.values()]
    broken += [error.problem for each in registry.plugins if each.enabled for error in each.errors]
    broken = list(dict.fromkeys([*broken, *ca_problems(invocation.layout, settings)]))
    if invocation.as_json:
        print_json({"modules": list(settings.modules), "problems": [each.to_json() for each in broken]})
    else:
        click.echo(_verdict(settings))
        for problem in broken:
            for line in problem.lines():
                note(line)
    return DEGRADED if broken else 0


@config.command(
    "show",
    example="""
$ chainwright config show --origin
hostname = "gw"  # /etc/chainwright/chainwright.toml
...
""",
)
@click.option("--origin", is_flag=True, help="Name the file of each key.")
@click.pass_obj
def show(invocation: Invocation, origin: bool) -> None:
    """Print the settings that are in effect, defaults too, as TOML. Secrets are masked."""
    from agent.config.shown import shown_tables, toml_lines
    from agent.engine.unchanged_settings import load_settings

    settings, _registry = load_settings(invocation.layout)
    tables = shown_tables(settings)
    if invocation.as_json:
        print_json({"tables": [table.to_json() for table in tables]})
        return
    for line in toml_lines(tables, origin=origin):
        click.echo(line)


def _verdict(settings: Settings) -> str:
    names = f" ({', '.join(settings.modules)})" if settings.modules else ""
    sources = ", ".join(settings.sources)
    return f"The settings can be used: {counted(len(settings.modules), 'module')}{names}, sources {sources}."

"""``chainwright plugins``: plugins that are installed, with their state."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import click

from agent.cli.check_plugin import check
from agent.cli.commands import CommandGroup, Invocation, json_option, wants_details
from agent.cli.exit_codes import DEGRADED, DONE
from agent.cli.new_plugin import new
from agent.cli.output import columns, print_json, width
from agent.cli.show_plugin import show
from agent.cli.words import place_in
from agent.errors.plugin import PluginError
from agent.errors.wording import indented

if TYPE_CHECKING:
    from agent.registry.plugin_record import PluginRecord

COLOURS = {"on": "green", "off": "bright_black", "broken": "red"}


EXAMPLE = """\b
Example:
  $ chainwright plugins
  NAME           STATE   FROM               OFFERS
  nginx          on      chainwright 0.1.0  service nginx
  reverse_proxy  on      chainwright 0.1.0  module reverse_proxy
  tunnel         broken  tunnel.py
  tunnel: Its import failed: No module named 'foo'.
      Install what it lacks, or update it, then: chainwright plugins
"""


@click.group("plugins", cls=CommandGroup, epilog=EXAMPLE, invoke_without_command=True)
@click.pass_context
def plugins(context: click.Context) -> int:
    """List the plugins that are installed, which of them are enabled, and why one does not work.

    Observers and notifiers are listed below them, with the number of events that wait for each.

    Exits with 3 when a plugin that the settings enable is broken.
    """
    return DONE if context.invoked_subcommand else _list(context.obj)


plugins.add_command(check)
plugins.add_command(new)
plugins.add_command(show)
plugins.params.append(json_option())


def _trace(error: PluginError) -> list[str]:
    """Return the traceback of what a plugin raised, with ``--debug``."""
    import traceback

    raised = getattr(error, "error", None)
    if raised is None or not wants_details():
        return []
    return indented("".join(traceback.format_exception(raised)))


def _installed(invocation: Invocation) -> list[PluginRecord]:
    """Return the plugins, each with all that is wrong with it, its commands as well."""
    from agent.cli.appliance import CommandLineAppliance
    from agent.config.loading import load_all
    from agent.sources import BUILT_IN

    registry = load_all(invocation.layout, BUILT_IN)
    added = registry.commands(CommandGroup, CommandLineAppliance(invocation))
    failed = {each.plugin: (each.error,) for each in added if each.error}
    return [replace(each, errors=(*each.errors, *failed.get(each.name, ()))) for each in registry.plugins]


def _list(invocation: Invocation) -> int:
    from agent.cli.listeners import listener_rows, listeners

    found, told = _installed(invocation), listeners(invocation.layout)
    if invocation.as_json:
        print_json({"plugins": [each.to_json() for each in found], "listeners": told})
    else:
        rows = [["NAME", "STATE", "FROM", "OFFERS"]]
        rows += [
            [
                each.name,
                click.style(each.state, fg=COLOURS[each.state]),
                each.owner.origin,
                ", ".join(each.contributions),
            ]
            for each in found
        ]
        for line in columns(rows, width()):
            click.echo(line)
        for each in found:
            for error in each.errors:
                click.echo(f"{each.name}: {place_in(error.problem)}{error.problem.cause}")
                click.echo(f"    {error.problem.effect} {error.problem.fix}")
                for line in _trace(error):
                    click.echo(line)
            for notice in each.notices:
                click.echo(f"{each.name}: {notice}")
        for line in columns(listener_rows(told), width()):
            click.echo(line)
    return DEGRADED if any(each.enabled and each.errors for each in found) else DONE

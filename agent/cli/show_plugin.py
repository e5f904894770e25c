"""``chainwright plugins show``: one plugin in all detail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from agent.cli.commands import Command, CommandGroup, Invocation
from agent.cli.exit_codes import DEGRADED, DONE
from agent.cli.output import columns, print_json

if TYPE_CHECKING:
    from agent.operations.plugin_details import PluginDetails, TableRow


@click.command(
    "show",
    cls=Command,
    example="""
$ chainwright plugins show tunnel
tunnel  on
from    chainwright-tunnel 1.2, /opt/chainwright/lib/python3.13/site-packages/chainwright_tunnel/__init__.py
api     1.0
offers  module tunnel
[modules.tunnel]
  domain  Name  required
  port    Port  8443
hooks
  register_modules                 .../chainwright_tunnel/__init__.py:43
  declare_needs     Tunnel         .../chainwright_tunnel/__init__.py:32
""",
)
@click.argument("name")
@click.pass_obj
def show(invocation: Invocation, name: str) -> int:
    """Show one plugin: where it is from, its settings, the hooks that it answers or wraps, and all that is wrong with it.

    Exits with 3 when the settings enable it and it is broken.
    """
    from agent.cli.appliance import CommandLineAppliance
    from agent.operations.plugin_details import plugin_details
    from agent.report.rows import plain

    found = plugin_details(invocation.layout, name, CommandGroup, CommandLineAppliance(invocation))
    if invocation.as_json:
        print_json({"plugin": plain(found)})
    else:
        for line in _lines(found):
            click.echo(line)
    return DEGRADED if found.enabled and found.problems else DONE


def _lines(found: PluginDetails) -> Iterator[str]:
    rows = [[found.name, found.state], ["from", ", ".join(dict.fromkeys(filter(None, (found.origin, found.file))))]]
    rows += [["api", found.api]] if found.api else []
    rows += [["offers", ", ".join(found.offers) or "nothing by itself"]] if found.api else []
    yield from columns(rows)
    for table in found.tables:
        yield table.table
        yield from _indented(list(_settings(table)) or [["nothing but what every table of its kind has"]])
    if found.hooks:
        yield "hooks"
        yield from _indented([[each.hook, f"{'wraps ' * each.wraps}{each.owner}", each.place] for each in found.hooks])
    for heading, names in (("templates", found.templates), ("commands", _commands(found))):
        if names:
            yield heading
            yield from (f"  {each}" for each in names)
    yield from found.notices
    for problem in found.problems:
        yield from problem.lines()
        yield from (f"  {line}" for line in problem.detail.splitlines())


def _settings(table: TableRow) -> Iterator[list[str]]:
    for each in table.settings:
        default = {None: "required", "null": "not set"}.get(each.default, each.default or "")
        yield [each.name, each.type, default, each.description]


def _commands(found: PluginDetails) -> list[str]:
    return [f"chainwright {found.name} {each}" for each in found.commands]


def _indented(rows: list[list[str]]) -> list[str]:
    return [f"  {line}" for line in columns(rows)]

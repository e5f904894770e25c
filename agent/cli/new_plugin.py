"""``chainwright plugins new``: the project of a new plugin."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from agent.cli.commands import Command, Invocation
from agent.cli.output import note, print_json
from agent.model.plugin_kind import PluginKind


@click.command(
    "new",
    cls=Command,
    example="""
$ chainwright plugins new tunnel
Written to /home/anna/chainwright-tunnel:
  pyproject.toml
  ...
Install and test it:
  cd /home/anna/chainwright-tunnel && pip install -e '.[test]'
  pytest
""",
)
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice([str(each) for each in PluginKind]),
    default="module",
    show_default=True,
    help="What it is to be.",
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    help="Of the project; it is made.  [default: chainwright-NAME]",
)
@click.pass_obj
def new(invocation: Invocation, name: str, kind: str, directory: Path | None) -> None:
    """Write the project of a new plugin, which can be installed and passes its own test.

    A module is a service of the appliance that gets chains, a service a daemon that several modules share, a source a CA, a
    solver publishes answers to DNS-01 challenges, a notifier tells somebody of events, a policy rules over the modules of others.
    """
    from agent.operations.new_plugin import new_plugin

    made = new_plugin(invocation.layout, name, PluginKind(kind), directory)
    if invocation.as_json:
        print_json({"name": name, "kind": kind, "directory": str(made.directory), "files": list(made.files)})
        return
    note(f"Written to {made.directory}:")
    for file in sorted(made.files):
        note(f"  {file}")
    note("Install and test it:")
    note(f"  cd {shlex.quote(str(made.directory))} && pip install -e '.[test]'")
    note("  pytest")

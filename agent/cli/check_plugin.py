"""``chainwright plugins check``: all that a plugin answers, and a life with it, away from the appliance."""

from __future__ import annotations

import click

from agent.cli.commands import Invocation, command
from agent.cli.exit_codes import DONE, FAILED
from agent.cli.output import print_json


@command(
    "check",
    example="""
$ chainwright plugins check tunnel
/etc/chainwright/plugins/tunnel.py:17: render_files opens /etc/hostname: a hook declares, and does no input or output.
    Return a Command, a file or an Endpoint, which the core runs, writes or looks at, then: chainwright plugins check NAME
The plugin "tunnel" has 1 fault; 25 checks.
""",
)
@click.argument("name")
@click.pass_obj
def check(invocation: Invocation, name: str) -> int:
    """Check a plugin: ask it everything, and play a life with it in a throw-away appliance.

    It has the settings that this appliance has for it. Nothing of this appliance is changed, and no service of this machine is
    reloaded or connected to; the plugin's own tests of its files are run. Exits with 1 when something is wrong.
    """
    from agent.testing.installed import check_installed

    report = check_installed(invocation.layout, name)
    if invocation.as_json:
        print_json(report.to_json())
    else:
        for line in report.lines():
            click.echo(line)
    return DONE if report.ok else FAILED

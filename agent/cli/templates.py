"""``chainwright templates``: templates that can be overridden, and what has become of those that are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from agent.cli.commands import CommandGroup, Invocation
from agent.cli.output import columns, note, print_json, width
from agent.report.rows import plain

if TYPE_CHECKING:
    from agent.operations.templates import OperatorsTemplates

WORDS = {
    "built_in": "built-in",
    "overridden": "overridden",
    "behind": "overridden, and the built-in one has changed since",
    "added": "yours alone",
    "unread": "yours alone, and nothing reads it",
}


@click.group(
    "templates",
    cls=CommandGroup,
    epilog="\b\nExample:\n  $ chainwright templates copy reverse_proxy/site.conf.j2",
    no_args_is_help=True,
)
def templates() -> None:
    """List, copy and compare the templates of modules and services, which you may override one by one."""


def _templates(invocation: Invocation) -> OperatorsTemplates:
    from agent.operations.templates import OperatorsTemplates

    return OperatorsTemplates(invocation.layout, invocation.now)


@templates.command(
    "list",
    example="""
$ chainwright templates list --overridden
TEMPLATE                    PLUGIN         STATE
reverse_proxy/site.conf.j2  reverse_proxy  overridden, and the built-in one has changed since
""",
)
@click.option("--overridden", is_flag=True, help="Only those that are yours.")
@click.pass_obj
def list_(invocation: Invocation, overridden: bool) -> None:
    """List the templates of all plugins that are installed, and which of them are overridden."""
    found = [each for each in _templates(invocation).rows() if each.override or not overridden]
    if invocation.as_json:
        print_json({"templates": [plain(each) for each in found]})
        return
    rows = [[each.template, each.plugin, WORDS[each.state]] for each in found]
    for line in columns([["TEMPLATE", "PLUGIN", "STATE"], *rows], width()) if rows else ["None is overridden."]:
        click.echo(line)


@templates.command(
    "diff",
    example="""
$ chainwright templates diff reverse_proxy/site.conf.j2
--- built-in reverse_proxy/site.conf.j2
+++ /etc/chainwright/templates/reverse_proxy/site.conf.j2
@@ -3,1 +3,2 @@
 server {
+  http2 on;
""",
)
@click.argument("template")
@click.pass_obj
def diff(invocation: Invocation, template: str) -> None:
    """Show what yours does otherwise than the built-in TEMPLATE: NAME/FILE.

    Where the built-in one has changed since yours was copied, or first seen, that is shown first.
    """
    found = _templates(invocation).diff(template)
    if invocation.as_json:
        print_json(plain(found))
        return
    click.echo(f"{found.changed}{found.overridden}", nl=False)
    if not found.overridden:
        note(f"Yours is like the built-in {found.template}.")


@templates.command(
    "copy",
    example="""
$ chainwright templates copy reverse_proxy/site.conf.j2
Copied to /etc/chainwright/templates/reverse_proxy/site.conf.j2.
Change it, then: chainwright apply
""",
)
@click.argument("template")
@click.option("--force", is_flag=True, help="Also over one that is there, which is lost.")
@click.pass_obj
def copy(invocation: Invocation, template: str, force: bool) -> None:
    """Copy the built-in TEMPLATE, NAME/FILE, to where you can change it: there it goes before the built-in one."""
    found = _templates(invocation).copy(template, force=force)
    if invocation.as_json:
        print_json({"template": found.template, "override": str(found.override)})
        return
    note(f"Copied to {found.override}.")
    note("Change it, then: chainwright apply")


@templates.command(
    "keep",
    example="""
$ chainwright templates keep reverse_proxy/site.conf.j2
/etc/chainwright/templates/reverse_proxy/site.conf.j2 is taken to fit the built-in one as it is now.
""",
)
@click.argument("template")
@click.pass_obj
def keep(invocation: Invocation, template: str) -> None:
    """Say that your TEMPLATE, NAME/FILE, fits the built-in one as it is now: that one's changes are no longer told."""
    found = _templates(invocation).keep(template)
    if invocation.as_json:
        print_json({"template": found.template, "override": str(found.override)})
        return
    note(f"{found.override} is taken to fit the built-in one as it is now.")

"""Commands that plugins add are tried once for what is on disk, and those that can't be registered are a finding meanwhile."""

from __future__ import annotations

from textwrap import dedent

from support.told import told

ADDING = """
    from pathlib import Path
    from chainwright import hookimpl

    @hookimpl
    def register_commands(commands):
        with Path({log!r}).open("a") as file:
            file.write("asked ")
        commands.{method}(1)
"""


def add(appliance, method: str) -> None:
    text = dedent(ADDING).format(log=str(appliance.root / "log"), method=method)
    (appliance.layout.plugins / "adding.py").write_text(text)


def causes(appliance) -> list[str]:
    return [each["problem"]["cause"] for each in told(appliance) if each["subject"] == "adding"]


def test_commands_are_tried_again_only_when_something_has_changed_or_a_person_asks(tunnel):
    log = tunnel.root / "log"
    add(tunnel, "nonsense")
    tunnel.settings("plugins.adding.enabled = true\n" + tunnel.layout.settings.read_text())
    said = "Its register_commands failed: AttributeError: 'Group' object has no attribute 'nonsense'."
    for _ in range(2):
        tunnel.apply()
        assert (log.read_text(), causes(tunnel)) == ("asked ", [said])
    tunnel.apply(retry=True)
    assert (log.read_text(), causes(tunnel)) == ("asked asked ", [said])
    add(tunnel, "list_commands")
    tunnel.apply()
    tunnel.apply(retry=True)
    assert (log.read_text(), causes(tunnel)) == ("asked asked asked ", [])

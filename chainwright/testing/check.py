"""The check of a plugin as a test: it raises what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.testing.findings import CheckReport
    from agent.testing.plugin_under_test import Plugin

NAMES = ("check.example.com",)
"""What a source is asked for, unless the test says otherwise."""


class PluginFaulty(AssertionError):
    """Faults of a plugin: all of them, each with file, line and what to do."""

    def __init__(self, report: CheckReport) -> None:
        self.report = report
        super().__init__("\n".join(report.lines()))


def check_plugin(
    plugin: Plugin,
    settings: Mapping[str, object] | None = None,
    *,
    names: Iterable[str] = NAMES,
    acts: bool = True,
) -> CheckReport:
    """Check all that a plugin registers, in a throw-away appliance of its own; return what was checked.

    `plugin`: its name, where it is installed; its file, its Python module, or a class of it. `settings`: of its table, or tables
    as in ``{"modules": {...}, "services": {...}}``. `names`: those that a source is asked for. `acts`: whether sources order,
    DNS solvers publish, and notifiers and observers tell. Raises `PluginFaulty`.
    """
    from agent.testing.check import check

    report = check(plugin, settings, names=names, acts=acts)
    if not report.ok:
        raise PluginFaulty(report)
    return report

"""``chainwright status``: every chain on one screen, the most urgent first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import click

from agent.cli.commands import Invocation, command, wants_details
from agent.cli.exit_codes import DEGRADED
from agent.cli.output import columns, width
from agent.cli.words import counted, place_in, seen, shortened
from agent.errors.wording import indented
from agent.health.states import FAILED_MODULES
from agent.model.finding import Finding
from agent.report import ChainRow, ModuleRow, ModuleState, Report, StateRow, Status, UseRow, read_snapshot, report
from agent.system.spans import span, when

WINDOW = "status.window"
"""Code of what waits for an activation window."""
STYLES: dict[Status, tuple[str, str]] = {
    Status.EXPIRED: ("x", "red"),
    Status.ENDING: ("x", "red"),
    Status.FAILED: ("x", "red"),
    Status.NOT_DEPLOYED: ("!", "yellow"),
    Status.OVERDUE: ("!", "yellow"),
    Status.LOCAL_FALLBACK: ("!", "yellow"),
    Status.WARNING: ("!", "yellow"),
    Status.WAITING: ("o", "blue"),
    Status.ISSUING: ("o", "blue"),
    Status.VALID: ("*", "green"),
    Status.LOCAL_BY_DESIGN: ("*", "green"),
    Status.UNUSED: ("-", "bright_black"),
}
"""A mark beside each word, so that nothing depends on colours."""
SHOWN_STATES = 10
"""States of services that are shown without ``--all``."""
OF_SERVICES = "deploy."
"""Codes of problems whose detail is what a service has printed."""
OF_PLUGINS = "plugin."
"""Codes of problems whose detail is where code of a plugin has failed: shown with ``--debug``."""


@command(
    "status",
    example="""
$ chainwright status
2 chains   1 valid   1 needs attention      root: gw Root CA, until 2036-11-20

  STATUS          NAME              SOURCE  EXPIRES     USED BY
! local fallback  shop.example.com  local   in 90 days  reverse_proxy
* valid           gw.example.com    acme    in 58 days  webui
""",
)
@click.option("--all", "show_all", is_flag=True, help="Also show chains that nothing uses.")
@click.pass_obj
def status(invocation: Invocation, show_all: bool) -> int:
    """Show every chain with its status, its end and who uses it.

    Exits with 3 when something needs attention.
    """
    now = invocation.now()
    found = report(read_snapshot(invocation.layout, now), now)
    if invocation.as_json:
        import json

        click.echo(json.dumps(found.to_json(), indent=2, ensure_ascii=False))
    else:
        for line in _lines(found, show_all):
            click.echo(line)
    return DEGRADED if found.degraded else 0


def attention_lines(found: Report) -> Iterator[str]:
    """Yield for each finding what is wrong, and under it the next step and the service's own words."""
    for finding in found.findings:
        yield from _finding_lines(finding, found.now)


def _file(finding: Finding) -> str:
    """Return the file that a problem is about, and its line, where neither the name nor the cause says it."""
    where = finding.problem.where
    if found := place_in(finding.problem):
        return found
    is_said = where == finding.subject or where in finding.name or where in finding.problem.cause
    return "" if is_said or not where.startswith("/") else f"{where}: "


def _finding_lines(finding: Finding, now: datetime) -> Iterator[str]:
    problem = finding.problem
    again = f" Next try {when(problem.retry_at, now)}." if problem.retry_at and problem.retry_at > now else ""
    yield f"{finding.name}: {_file(finding)}{problem.cause}{again}"
    if problem.effect or problem.fix:
        yield f"    {' '.join(part for part in (problem.effect, problem.fix) if part)}"
    if problem.code.startswith(OF_SERVICES) or (problem.code.startswith(OF_PLUGINS) and wants_details()):
        yield from indented(problem.detail)


def _lines(found: Report, show_all: bool) -> Iterator[str]:
    yield _headline(found)
    rows = [row for row in found.chains if show_all or row.status is not Status.UNUSED]
    if rows or any(need.chain is None for need in found.needs):
        yield ""
        yield from columns(list(_table(found, rows)), width())
    elif not found.modules:
        yield "No module asks for a chain yet. Name one in the settings: [modules.reverse_proxy]"
    modules = list(_modules(found))
    if modules:
        yield ""
        yield from columns(modules, width())
    states = list(state_rows(found.states, found.now, show_all=show_all))
    if states:
        yield ""
        yield from columns(states, width())
    problems = list(attention_lines(found))
    if problems:
        yield ""
        yield from problems
    yield from _footnotes(found, show_all)


def _headline(found: Report) -> str:
    counts = found.summary
    good = counts["valid"] + counts["local_by_design"]
    parts = [counted(counts["chains"] - counts["unused"], "chain"), f"{good} valid"]
    parts += [f"{counts[word]} {word}" for word in ("issuing", "waiting") if counts[word]]
    if counts["attention"]:
        parts.append(f"{counts['attention']} need{'s' if counts['attention'] == 1 else ''} attention")
    root = f"{found.root.subject}, until {found.root.not_after:%Y-%m-%d}" if found.root else "none yet"
    return f"{'   '.join(parts)}      root: {root}"


def _table(found: Report, rows: list[ChainRow]) -> Iterator[list[str]]:
    yield ["  STATUS", "NAME", "SOURCE", "EXPIRES", "USED BY"]
    for need in found.needs:
        if need.chain is None:
            yield [click.style("x no chain", fg="red"), shortened(need.names), "-", "-", need.module]
    for row in rows:
        mark, colour = STYLES[row.status]
        label = click.style(f"{mark} {row.status.replace('_', ' ')}", fg=colour)
        yield [label, shortened(row.names), row.came_from, when(row.not_after, found.now), _users(row, found.now)]


def _users(row: ChainRow, now: datetime) -> str:
    """Name each module once; ``(!)``: it doesn't serve this chain; and when that was seen, where it is some time ago."""
    marks: dict[str, str] = {}
    for use in row.used_by:
        marks[use.module] = marks.get(use.module) or _mark(use, now)
    return ", ".join(f"{module}{mark}" for module, mark in marks.items()) or "-"


def _mark(use: UseRow, now: datetime) -> str:
    if use.deployment == "waiting":
        return "(waiting)"
    if use.deployment == "unseen" and not use.endpoints:
        return "(not seen)"
    if use.deployment not in {"live", "unseen"} or not all(each.ok for each in use.endpoints):
        return "(!)"
    oldest = min((each.seen_at for each in use.endpoints if each.seen_at), default=None)
    age = seen(oldest, now) if oldest else ""
    return f"({age})" if age else ""


def _modules(found: Report) -> Iterator[list[str]]:
    """Yield the modules that a row of a chain doesn't speak for."""
    for module in found.modules:
        if module.enabled and module.state is not ModuleState.OK:
            bad = module.state in FAILED_MODULES
            word = "switched, not seen" if module.state is ModuleState.UNSEEN else module.state.replace("_", " ")
            label = f"{'x' if bad else 'o'} {word}"
            yield [click.style(label, fg="red" if bad else "blue"), module.name, _about(module, found.now)]


def state_rows(states: Sequence[StateRow], now: datetime, *, show_all: bool) -> Iterator[list[str]]:
    """Yield the states that services tell of themselves: those that somebody should know first, a few of the others."""
    ordered = sorted(states, key=lambda each: each.severity is None)
    shown = ordered if show_all else ordered[:SHOWN_STATES]
    for each in shown:
        since = f"for {span(now - each.since)}" if each.since else ""
        why = f": {each.why}" if each.why else ""
        # What nobody has to know of is neither good nor bad: a tunnel that the other side begins may well be down.
        label = click.style(f"x {each.state}", fg="red") if each.severity else f"- {each.state}"
        yield [label, f"{each.owner}: {each.subject}", f"{since}{why}"]
    if len(shown) < len(ordered):
        yield ["", f"and {len(ordered) - len(shown)} more: chainwright status --all", ""]


def _about(module: ModuleRow, now: datetime) -> str:
    """Return its title, and until when it waits for its activation window."""
    problem = module.problem
    if problem is None or problem.code != WINDOW or problem.retry_at is None:
        return module.title
    return f"{module.title}; its activation window opens {when(problem.retry_at, now)}"


def waiting_lines(found: Report) -> Iterator[str]:
    """Say which modules take what is new when their activation window opens."""
    for module in found.modules:
        if module.problem is not None and module.problem.code == WINDOW and module.problem.retry_at is not None:
            yield f"{module.name}: kept back until its activation window opens {when(module.problem.retry_at, found.now)}."


def _footnotes(found: Report, show_all: bool) -> Iterator[str]:
    unused = found.summary["unused"]
    notes = []
    if unused and not show_all:
        notes.append(f"{counted(unused, 'unused chain')}: chainwright status --all")
    if found.owner != "root":
        notes.append(f"Without root: every file belongs to {found.owner}, whatever the modules ask for.")
    if found.next_at is not None:
        late = found.next_at <= found.now
        notes.append(f"Due since {when(found.next_at, found.now)}: chainwright apply" if late else "")
        notes[-1] = notes[-1] or f"Next: {when(found.next_at, found.now)}."
    if notes:
        yield ""
        yield from notes

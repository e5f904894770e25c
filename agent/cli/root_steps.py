"""``chainwright root begin`` and ``root retire``: dates of a root's life, and what is said of how far each root is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from agent.cli.commands import Invocation, command
from agent.cli.confirmation import confirm_root, confirm_step, retirement_lines
from agent.cli.output import note
from agent.errors.problem import rfc3339
from agent.health.roots import depending
from agent.model.root import RootPhase

if TYPE_CHECKING:
    from agent.model.root import RootRecord
    from agent.report import Snapshot


class Instant(click.ParamType[datetime]):
    """A date or an instant (ISO 8601); without a time zone it is UTC."""

    name = "date"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return it in UTC."""
        try:
            found = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
            return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
        except (ValueError, OverflowError):  # the latter: the first day of the calendar, in a zone ahead of UTC
            self.fail(f"{value!r} is no date; write for example 2027-03-01", param, ctx)


def _later(invocation: Invocation, at: datetime | None) -> datetime | None:
    """Return an instant that is to come; None: now. A date that is past means now, and is confirmed like that."""
    return at if at is not None and at > invocation.now() else None


of_option = click.option(
    "--of", metavar="SHA-256", default="", help="Which root, where there are two: the beginning is enough."
)
at_option = click.option("--at", type=Instant(), metavar="DATE", help="When, in place of now.")


@command(
    "begin",
    example="""
$ chainwright root begin --at 2027-03-01
gw Root CA 2027 signs from 2027-03-01 on.
""",
)
@at_option
@of_option
@click.option("--yes-begin-signing", "confirmed", is_flag=True, help="Don't ask; for scripts.")
@click.pass_obj
def begin(invocation: Invocation, at: datetime | None, of: str, confirmed: bool) -> int:
    """Have the prepared root sign from now on, or from a date on. What breaks is listed first, by name."""
    from agent.cli.apply import perform
    from agent.operations.root import prepared_effects
    from agent.operations.root_steps import begin_signing

    at = _later(invocation, at)
    if at is None:
        with invocation.locked_state("root begin") as state:
            effects = prepared_effects(state, of)
        confirm_root(effects, word="BEGIN", flag="--yes-begin-signing", given=confirmed)
    with invocation.locked_state("root begin") as state:
        found = begin_signing(state, at or state.now, of)
    note(f"{found.subject} signs from {at:%Y-%m-%d} on." if at else f"{found.subject} begins to sign.")
    return perform(invocation)


@command(
    "retire",
    example="""
$ chainwright root retire --at 2027-06-01
gw Root CA is believed until 2027-06-01.
""",
)
@at_option
@of_option
@click.option("--yes-retire-root", "confirmed", is_flag=True, help="Don't ask; for scripts.")
@click.pass_obj
def retire(invocation: Invocation, at: datetime | None, of: str, confirmed: bool) -> int:
    """Believe the root that was replaced no longer, or until a date. What it has signed and is in use is listed first."""
    from agent.cli.apply import perform
    from agent.operations.root_steps import retire_root, retirement_effects

    at = _later(invocation, at)
    if at is None:
        with invocation.locked_state("root retire") as state:
            effects = retirement_effects(state, of)
        confirm_step(retirement_lines(effects), word="RETIRE", flag="--yes-retire-root", given=confirmed)
    with invocation.locked_state("root retire") as state:
        found = retire_root(state, at or state.now, of)
    note(f"{found.subject} is believed until {at:%Y-%m-%d}." if at else f"{found.subject} is believed no longer.")
    return perform(invocation)


def phase_text(root: RootRecord) -> str:
    """Return how far a root is, in a few words."""
    keys = f" for {root.key_type.kind.words}" if root.beside else ""
    match root.phase:
        case RootPhase.PREPARED:
            return f"prepared, signs{keys} from {root.signs_at:%Y-%m-%d}" if root.signs_at else "prepared"
        case RootPhase.REPLACED:
            until = f" until {root.retires_at:%Y-%m-%d}" if root.retires_at else ""
            return f"replaced {root.replaced_at:%Y-%m-%d}, believed{until}"
        case RootPhase.RETIRED:
            return f"replaced {root.retired_at:%Y-%m-%d}"
        case _:
            return f"signs{keys}"


def root_json(each: RootRecord) -> dict[str, object]:
    """Return plain JSON types."""
    instants = {name: getattr(each, name) for name in ("signs_at", "replaced_at", "retires_at", "retired_at")}
    return {
        "subject": each.subject,
        "sha256": each.sha256,
        "phase": str(each.phase),
        "key_type": str(each.key_type),
        "beside": each.beside,
        "not_before": rfc3339(each.not_before),
        "not_after": rfc3339(each.not_after),
        **{name: rfc3339(at) if at else None for name, at in instants.items()},
    }


def successor_rows(snapshot: Snapshot, now: datetime) -> list[list[str]]:
    """Return what is said of the other roots that are believed."""
    rows = []
    for each in snapshot.roots:
        if each.phase is RootPhase.SIGNING and each.beside:
            rows.append(["beside", f"{each.subject}, {phase_text(each)}"])
        elif each.phase is RootPhase.PREPARED:
            rows.append(["next", f"{each.subject}, {phase_text(each)}"])
        elif each.phase is RootPhase.REPLACED:
            rows.append(["before", f"{each.subject}, {phase_text(each)}"])
            rows += [
                ["", f"{who} may need it until {until:%Y-%m-%d}"]
                for who, until in depending(snapshot, each.sha256, now)
            ]
    return rows

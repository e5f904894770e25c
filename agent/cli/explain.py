"""``chainwright explain``: the reasons why a module has its chains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from agent.cli.commands import Invocation, command
from agent.cli.completion import complete_modules, complete_slots
from agent.cli.exit_codes import DEGRADED, DONE
from agent.cli.output import columns, print_json
from agent.errors.problem import rfc3339
from agent.errors.usage import UnknownModule, UnknownSlot
from agent.model.finding import SubjectKind
from agent.system.spans import span, when

if TYPE_CHECKING:
    from agent.config.settings import ModuleEntry
    from agent.engine.settings_in_force import KeptSettings
    from agent.errors import AgentError
    from agent.model.binding import Binding
    from agent.model.deployment import EndpointRecord, Refusal
    from agent.model.finding import Finding
    from agent.model.need import Need
    from agent.model.observed import ObservedState
    from agent.model.pin import Pin
    from agent.planning.evidence import Evidence
    from agent.planning.explanation import Rung
    from agent.report import Snapshot
    from agent.store import Store
    from agent.system.layout import Layout

PLACES = {"unseen": "switched, not seen", "waiting": "in place", "broken": "in place"}
"""What became of a deployment -> where its generation is, where it isn't known to be in service."""


@dataclass(frozen=True)
class Explanation:
    """All about one slot."""

    need: Need
    binding: Binding
    rungs: list[Rung]
    live: str | None
    """Id of the chain in the generation that is in service."""
    refusals: list[Refusal]
    endpoints: list[EndpointRecord]
    pin: Pin | None
    """Set by a person."""


@command(
    "explain",
    example="""
$ chainwright explain reverse_proxy shop.example.com
reverse_proxy/shop.example.com  shop.example.com
  1 uploaded  no good uploaded chain covers shop.example.com
> 2 local     Local root, good until 2027-02-21T11:52:47Z; renewed at 2027-01-22T11:52:47Z
  because     local by design: no other source is configured
  in service  3f9a02c41d7b
  endpoint    127.0.0.1:443 shop.example.com: serves 3f9a02c41d7b, seen 5 minutes ago
""",
)
@click.argument("module", shell_complete=complete_modules)
@click.argument("slot", required=False, shell_complete=complete_slots)
@click.pass_obj
def explain(invocation: Invocation, module: str, slot: str | None) -> int:
    """Say for each slot of MODULE why it has its chain: every source's answer, refusals, and what is served.

    Exits with 3 where the settings can't be used: what is explained then is what those in force make of it.
    """
    from agent.engine.settings_in_force import KeptSettings

    now, settings = invocation.now(), KeptSettings()
    entry, snapshot, found = _look(invocation.layout, settings, now, module, slot)
    if invocation.as_json:
        print_json(_json(entry, snapshot, found, now) | {"settings": plain_problem(settings.refusal)})
    else:
        for line in _lines(entry, snapshot, found, now):
            click.echo(line)
        for line in settings.refusal.problem.lines() if settings.refusal else ():
            click.echo(line, err=True)
    return DEGRADED if settings.refusal else DONE


def plain_problem(error: AgentError | None) -> dict[str, Any] | None:
    """Return an error as plain JSON types."""
    return error.problem.to_json() if error else None


def _look(
    layout: Layout, settings: KeptSettings, now: datetime, module: str, slot: str | None
) -> tuple[ModuleEntry, Snapshot, list[Explanation]]:
    from agent.engine.host import read_host
    from agent.engine.pass_inputs import declare, read_pass_inputs, state_of
    from agent.report import read_snapshot
    from agent.store import Store

    with Store.open_to_look(layout) as store:
        inputs = read_pass_inputs(layout, store, read_host, settings)
        entries = inputs.settings.entries
        entry = entries.get(module) or _taken_out(store, module)
        if entry is None:
            raise UnknownModule(module, entries)
        needs = [need for need in declare(inputs, store).needs if need.module == module]
        evidence = state_of(inputs, store, now).evidence
    if slot is not None and slot not in {need.slot for need in needs}:
        raise UnknownSlot(module, slot, [need.slot for need in needs])
    snapshot = read_snapshot(layout, now)
    asked = [need for need in needs if slot in {None, need.slot}]
    return entry, snapshot, [_explanation(need, evidence, snapshot, now) for need in asked]


def _taken_out(store: Store, module: str) -> ModuleEntry | None:
    """Return an entry for a module that is no longer configured, but is still being taken out of its services."""
    from agent.config.settings import ModuleEntry
    from agent.model.deployment import Outcome

    present = store.deployments.all().get(module)
    if present is None or present.outcome is not Outcome.RETIRING:
        return None
    return ModuleEntry(module, "", module, enabled=False)


def _explanation(need: Need, evidence: Evidence, snapshot: Snapshot, now: datetime) -> Explanation:
    from agent.planning.binding import bind
    from agent.planning.explanation import rungs

    (binding,) = bind([need], evidence, now)
    return Explanation(
        need=need,
        binding=binding,
        rungs=rungs(need, binding, evidence, now),
        live=snapshot.live.get(need.module, {}).get(need.slot),
        refusals=[each for each in snapshot.refusals if each.module == need.module and each.slot in {need.slot, ""}],
        endpoints=[each for each in snapshot.endpoints if (each.module, each.slot) == need.key],
        pin=next((each for each in snapshot.pins if each.key == need.key), None),
    )


def _lines(entry: ModuleEntry, snapshot: Snapshot, found: list[Explanation], now: datetime) -> Iterator[str]:
    yield from _module_lines(entry, snapshot, now)
    yield from _state_lines(entry, snapshot, now)
    for each in found:
        yield f"{each.need.module}/{each.need.slot}  {', '.join(each.need.names)}"
        yield from columns(list(_rows(each, now)))
    if not found and entry.plugin:
        yield "It asks for no chain."


def _module_lines(entry: ModuleEntry, snapshot: Snapshot, now: datetime) -> Iterator[str]:
    deployment = snapshot.deployments.get(entry.name)
    state = _state(entry, snapshot, now)
    if not entry.enabled:
        yield f"{entry.name} is {'disabled' if entry.plugin else 'no longer'} in the settings."
    if entry.error is not None:
        yield from entry.error.problem.lines()
    if deployment is not None:
        number = f"generation {deployment.generation}" if deployment.generation is not None else "no generation"
        since = f", {when(deployment.at, now)}" if deployment.at else ""
        is_what = f"{number} is {PLACES.get('broken' if state == 'broken' else deployment.outcome, 'in service')}"
        yield f"{entry.name}: {_word(state, deployment.outcome)}{is_what}{since}"
        if deployment.problem is not None:
            yield from (f"  {line}" for line in deployment.problem.lines())
        if deployment.retry_at is not None and deployment.retry_at > now:
            yield f"  next try {when(deployment.retry_at, now)}"
    for finding in _of_services(entry, snapshot):
        yield from (f"  {line}" for line in finding.problem.lines())


def _of_services(entry: ModuleEntry, snapshot: Snapshot) -> list[Finding]:
    """Return what is known of the module itself and of its services beside their deployments, such as what a start would say."""
    services = {service for each in snapshot.modules if each.name == entry.name for service in each.services}
    known = [(SubjectKind.MODULE, entry.name), *((SubjectKind.SERVICE, service) for service in sorted(services))]
    return [each for each in snapshot.conditions if (each.kind, each.subject) in known]


def _states(entry: ModuleEntry, snapshot: Snapshot) -> Iterator[ObservedState]:
    """Yield what the module and its services tell of themselves."""
    services = next((each.services for each in snapshot.modules if each.name == entry.name), ())
    for each in snapshot.observed:
        if each.owner == entry.name or each.owner in services:
            yield each


def _state_lines(entry: ModuleEntry, snapshot: Snapshot, now: datetime) -> Iterator[str]:
    for each in _states(entry, snapshot):
        word = f"{each.subject} is {each.state}" if each.state else each.subject
        since = f" for {span(now - each.since)}" if each.since else ""
        yield f"  {each.owner}: {word}{since}{f': {each.why}' if each.why else ''}"
        if each.attempts:
            again = f", again {when(each.retry_at, now)}" if each.mends and each.retry_at else ""
            yield f"    tried {each.attempts} times{again}{f': {each.said}' if each.said else ''}"


def _state(entry: ModuleEntry, snapshot: Snapshot, now: datetime) -> str:
    from agent.report import report

    return next((str(each.state) for each in report(snapshot, now).modules if each.name == entry.name), "")


def _word(state: str, outcome: str) -> str:
    """Say what is the matter, as the status does; what has no state of its own is said by what became of the deployment."""
    if state == "unseen":
        return ""
    return f"{(outcome if state in {'', 'ok', 'disabled'} else state).replace('_', ' ')}, "


def _rows(each: Explanation, now: datetime) -> Iterator[list[str]]:
    for number, rung in enumerate(each.rungs, 1):
        yield [f"{'>' if rung.chosen else ' '} {number} {rung.source}", rung.answer]
    yield ["  because", each.binding.reason]
    yield from (["  pinned", line] for line in _pin_lines(each, now))
    yield ["  in service", each.live[:12] if each.live else "nothing yet"]
    for refusal in each.refusals:
        again = f" Next try {when(refusal.retry_at, now)}." if refusal.retry_at > now else " It is tried again now."
        yield ["  refused", f"{refusal.kind} {refusal.subject[:12]}: {refusal.problem.cause}{again}"]
    for endpoint in each.endpoints:
        yield ["  endpoint", _seen(endpoint, now)]


def _pin_lines(each: Explanation, now: datetime) -> Iterator[str]:
    if each.need.pin is not None:
        yield f"{each.need.pin}, in the settings of [modules.{each.need.module}]"
    if each.pin is not None:
        by = f" by {each.pin.who}" if each.pin.who else ""
        yield f"{each.pin.chain[:12]}{by}, {when(each.pin.at, now)}"


def _seen(endpoint: EndpointRecord, now: datetime) -> str:
    place = " ".join(part for part in (endpoint.address, endpoint.server_name) if part)
    served = f"serves {endpoint.served_sha256[:12]}" if endpoint.served_sha256 else "serves nothing"
    seen = f", seen {when(endpoint.checked_at, now)}" if endpoint.checked_at else ", not seen yet"
    wrong = f": {endpoint.problem.cause}" if endpoint.problem else ""
    return f"{place}: {served}{seen}{wrong}"


def _json(entry: ModuleEntry, snapshot: Snapshot, found: list[Explanation], now: datetime) -> dict[str, Any]:
    from agent.report import state_row
    from agent.report.rows import plain

    deployment = snapshot.deployments.get(entry.name)
    row = None
    if deployment is not None:
        names = ("generation", "outcome", "step", "problem", "at", "attempts", "retry_at")
        row = {name: plain(getattr(deployment, name)) for name in names}
    return {
        "module": entry.name,
        "enabled": entry.enabled,
        "state": _state(entry, snapshot, now),
        "problem": plain_problem(entry.error),
        "deployment": row,
        "findings": [plain(each) for each in _of_services(entry, snapshot)],
        "states": [plain(state_row(each)) for each in _states(entry, snapshot) if each.state],
        "slots": [_slot_json(each) for each in found],
    }


def _slot_json(each: Explanation) -> dict[str, Any]:
    from agent.report.rows import plain

    refusals = [
        {
            "kind": str(refusal.kind),
            "subject": refusal.subject,
            "retry_at": rfc3339(refusal.retry_at),
            "problem": refusal.problem.to_json(),
        }
        for refusal in each.refusals
    ]
    seen = ("address", "server_name", "served_sha256", "ok", "problem", "checked_at", "next_at")
    return {
        "slot": each.need.slot,
        "names": list(each.need.names),
        "chain": each.binding.chain,
        "reason": each.binding.reason,
        "standing": str(each.binding.standing),
        "ladder": [plain(rung) for rung in each.rungs],
        "pin": {"settings": each.need.pin, "command": plain(each.pin)},
        "live": each.live,
        "refusals": refusals,
        "endpoints": [{name: plain(getattr(endpoint, name)) for name in seen} for endpoint in each.endpoints],
    }

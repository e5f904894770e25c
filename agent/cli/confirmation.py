"""Confirmation of something dangerous: a typed word on a terminal, a flag in scripts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from agent.cli.output import note
from agent.cli.words import counted
from agent.errors.usage import ConfirmationFlagMissing

if TYPE_CHECKING:
    from agent.operations.effects import ChangeEffects, RetirementEffects, RootEffects, Switch
    from agent.planning.comparison import Outranked


def confirm_root(effects: RootEffects, *, word: str, flag: str, given: bool) -> None:
    """Say what another root would do, by name, and have `word` typed. Raises `ConfirmationFlagMissing`."""
    confirm_step(effect_lines(effects), word=word, flag=flag, given=given)


def confirm_step(lines: Sequence[str], *, word: str, flag: str, given: bool) -> None:
    """Say what a step would do, and have `word` typed. Raises `ConfirmationFlagMissing`."""
    for line in lines:
        note(line)
    if given:
        return
    if not sys.stdin.isatty():
        raise ConfirmationFlagMissing(flag)
    answer = click.prompt(f"Type {word} to go on", default="", show_default=False, err=True)
    if answer != word:
        raise ConfirmationFlagMissing(flag)


def confirm_ending(lines: Sequence[str], *, given: bool, flag: str = "--yes") -> None:
    """Say what ends, and ask; where nothing does, neither. Raises `ConfirmationFlagMissing`."""
    for line in lines:
        note(line)
    if given or not lines:
        return
    if not sys.stdin.isatty() or not click.confirm("Go on", err=True):
        raise ConfirmationFlagMissing(flag)


def effect_lines(effects: RootEffects) -> list[str]:
    """Return what another root would do."""
    lines = [_when_it_signs(effects), *consequence_lines(effects)]
    if effects.resigned:
        signed = counted(len(effects.resigned), "local chain")
        lines.append(f"{signed} will be signed again and deployed: {', '.join(effects.resigned)}.")
    if effects.peers:
        signed = counted(len(effects.peers), "peer certificate")
        lines.append(f"{signed} will be signed again, for you to carry to its device: {', '.join(effects.peers)}.")
    if effects.dropped:
        lines.append(f"{effects.dropped} was prepared before and has signed nothing: it is dropped.")
    if effects.signs_at is not None:
        lines.append("Before, give it to all who installed the old root: chainwright root download prints both.")
    elif effects.bridged:
        lines.append("Give it to all who installed the old root: chainwright root download.")
    else:
        lines.append("Everyone who installed the old root sees warnings until they install the new one.")
    lines.append("Uploaded chains do not change. The old root is kept in the list.")
    return lines


def _when_it_signs(effects: RootEffects) -> str:
    at = (
        f"From {effects.signs_at:%Y-%m-%d} on the new root signs."
        if effects.signs_at
        else "The new root signs at once."
    )
    if effects.bridged:
        return f"{at} Who knows only the old one takes what it signs, by a cross-certificate."
    if effects.obstacle:
        return f"{at} Clients that know only the old one will refuse that, as no cross-certificate helps: {effects.obstacle}."
    return f"{at} Where it isn't known by then:" if effects.signs_at else f"{at} The old one is believed no longer."


def retirement_lines(effects: RetirementEffects) -> list[str]:
    """Return what follows where a root that was replaced is believed no longer."""
    lines = consequence_lines(effects)
    lines += [f"{each} is refused where it still has the certificate of that root." for each in effects.peers]
    lines += [f"{each} is served with a chain of it until it is given another one." for each in effects.served]
    return lines


def consequence_lines(effects: ChangeEffects) -> list[str]:
    """Return what modules say that a change breaks, and what could not be found out."""
    lines = [f"{each.sentence} ({each.module})" for each in effects.consequences]
    lines += [f"{module} could not say what it would lose." for module in effects.unknown]
    lines += [f"What runs in {each.module} could not be seen: {each.reason}." for each in effects.uninspected]
    return lines


def switch_lines(switches: Sequence[Switch]) -> list[str]:
    """Return which needs get another chain, and why."""
    return [f"{each.module}/{each.slot}: {each.reason}" for each in switches]


def outranked_lines(chain: str, found: Sequence[Outranked]) -> list[str]:
    """Return which needs an uploaded chain could serve and doesn't, what goes before it there, and how to change that."""
    lines = []
    for each in found:
        lines.append(f"{each.module}/{each.slot} keeps {each.chain[:12]}: {each.reason}.")
        if each.pinnable:
            pin = f"chainwright pin {each.module} {each.slot} {chain[:12]}"
            lines.append(f"    To serve this one: {pin}, or chainwright delete {each.chain[:12]}")
    return lines

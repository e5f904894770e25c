"""Asking a person before something dangerous: a typed word on a terminal, a flag in scripts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from agent.cli.output import note
from agent.cli.words import counted
from agent.errors.usage import ConfirmationFlagMissing

if TYPE_CHECKING:
    from agent.operations.operations import Answers, Effects, Switch


def confirm_root(effects: Effects, *, word: str, flag: str, given: bool) -> None:
    """Say what another root would do, by name, and have `word` typed. Raises `ConfirmationFlagMissing`."""
    for line in effect_lines(effects):
        note(line)
    if given:
        return
    if not sys.stdin.isatty():
        raise ConfirmationFlagMissing(flag)
    answer = click.prompt(f"Type {word} to go on", default="", show_default=False, err=True)
    if answer != word:
        raise ConfirmationFlagMissing(flag)


def effect_lines(effects: Effects) -> list[str]:
    """Return what another root would do."""
    lines = answer_lines(effects.answers)
    if effects.resigned:
        signed = counted(len(effects.resigned), "local chain")
        lines.append(f"{signed} will be signed again and deployed: {', '.join(effects.resigned)}.")
    if effects.peers:
        signed = counted(len(effects.peers), "peer certificate")
        lines.append(f"{signed} will be signed again, for you to carry to its device: {', '.join(effects.peers)}.")
    lines.append("Everyone who installed the old root sees warnings until they install the new one.")
    lines.append("Uploaded chains do not change. The old root is kept in the list.")
    return lines


def answer_lines(answers: Answers) -> list[str]:
    """Return what modules say that a change breaks, and what could not be found out."""
    lines = [f"{each.sentence} ({module})" for module, each in answers.consequences]
    lines += [f"{module} could not say what it would lose." for module in answers.unknown]
    lines += [f"What runs in {module} could not be seen: {reason}." for module, reason in answers.uninspected]
    return lines


def answers_json(answers: Answers) -> dict[str, Any]:
    """Return the same as plain JSON types, as the API does."""
    rows = [
        {"module": module, "sentence": each.sentence, "severity": each.severity}
        for module, each in answers.consequences
    ]
    unseen = [{"module": module, "reason": reason} for module, reason in answers.uninspected]
    return {"consequences": rows, "unknown": list(answers.unknown), "uninspected": unseen}


def effects_json(effects: Effects) -> dict[str, Any]:
    """Return what another root would do as plain JSON types."""
    return {"resigned": list(effects.resigned), "peers": list(effects.peers), **answers_json(effects.answers)}


def switch_lines(switches: Sequence[Switch]) -> list[str]:
    """Return which needs get another chain, and why."""
    return [f"{each.module}/{each.slot}: {each.reason}" for each in switches]

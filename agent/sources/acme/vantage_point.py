"""A look from outside at the answers to challenges (HTTP-01, RFC 8555 section 8.3), before the CA is told to look."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from agent.errors.wording import quoted
from agent.sources.acme.at_once import at_once
from agent.sources.acme.self_test import SHOWN, challenge_url
from agent.sources.acme.webroot import TOKEN
from agent.system.program import ProgramFailed

if TYPE_CHECKING:
    from agent.contract.source import SourceContext
    from agent.sources.acme.challenges.method import Answer

PATIENCE = 20.0
"""Seconds for one look."""


def unseen_from(command: Sequence[str], answers: Sequence[Answer], port: int, context: SourceContext) -> dict[str, str]:
    """Return what `command` sees in place of answers, as clauses by name. Raises `OrderCancelled`.

    A token that could be more than a word to a shell on the way is not looked for.
    """
    looked_for = [each for each in answers if TOKEN.fullmatch(each.token)]
    found = at_once(partial(_look, command, port, context), looked_for)
    return {each.domain: clause for each, clause in zip(looked_for, found, strict=True) if clause}


def _look(command: Sequence[str], port: int, context: SourceContext, answer: Answer) -> str:
    """Return what is seen in place of an answer; empty: it is seen."""
    url = challenge_url(answer.domain, port, answer.token)
    try:
        said = context.run([each.replace("{url}", url) for each in command], timeout=PATIENCE)
    except ProgramFailed as error:
        return f"{command[0]}: {error}"
    body = said.decode("utf-8", "replace").rstrip()
    if body == answer.key_authorization:
        return ""
    return f"{command[0]} was given {quoted(body[:SHOWN])}" if body else f"{command[0]} printed nothing"

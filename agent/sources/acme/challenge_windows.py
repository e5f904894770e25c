"""Ways to this machine for a CA: ports, families and names of a window, and the command in the settings that opens it.

Another command says which node of a pair asks the CA.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from agent.contract.challenge_window import ChallengeWindow
from agent.errors.challenges import AnotherNode
from agent.model.challenge_windows import PATIENCE
from agent.sources.acme.families import family_of
from agent.system.command import Command
from agent.system.program import ProgramFailed

if TYPE_CHECKING:
    from agent.contract.source import SourceContext

ASKED_AGAIN = timedelta(minutes=5)
FEW_NAMES = 20
"""So many names have their addresses looked up; an order for more is let in over each family of this machine."""


def check_node(only_if: Sequence[str], context: SourceContext) -> None:
    """Raise `AnotherNode` where this machine is not the one to ask the CA now."""
    if not only_if:
        return
    try:
        context.run(only_if, timeout=PATIENCE)
    except ProgramFailed as error:
        raise AnotherNode(only_if[0], str(error), context.now() + ASKED_AGAIN, error.said) from error


def window_for(
    ports: Collection[int],
    names: Collection[str],
    addresses_of: Callable[[str], Sequence[str]],
    own: Callable[[], Sequence[str]],
) -> ChallengeWindow:
    """Return what is to be opened. `own`: returns this machine's addresses; `addresses_of`: a name's, none where unknown."""
    return ChallengeWindow(
        id=secrets.token_hex(4),
        action="open",
        ports=tuple(sorted(ports)),
        families=_families(names, addresses_of, own),
        names=tuple(sorted(names)),
    )


def command_for(command: Sequence[str], window: ChallengeWindow) -> Command | None:
    """Return the command of the settings that opens or closes a window; None: there is none."""
    if not command:
        return None
    values = {
        "action": window.action,
        "id": window.id,
        "ports": ",".join(map(str, window.ports)),
        "families": ",".join(window.families),
        "names": ",".join(window.names),
    }
    argv = list(command)
    for key, value in values.items():
        argv = [each.replace(f"{{{key}}}", value) for each in argv]
    return Command(tuple(argv), timeout=PATIENCE)


def _families(
    names: Collection[str], addresses_of: Callable[[str], Sequence[str]], own: Callable[[], Sequence[str]]
) -> tuple[str, ...]:
    """Return the families in which the names have addresses; those of this machine where one's are not known."""
    found = [addresses_of(name) for name in sorted(names)] if len(names) <= FEW_NAMES else [()]
    addresses = [one for each in found for one in each] + ([] if all(found) else [*own()])
    return tuple(sorted({family_of(each).lower() for each in addresses}))

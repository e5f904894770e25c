"""Why a module can't be shown on this machine."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from agent.demo.modules import DemoModule, find_program


@dataclass(frozen=True, slots=True)
class MissingRequirement:
    """What stands in the way."""

    module: str
    reason: str
    package: str = ""
    """Package, or several, that would put it right; empty: none does."""
    installation: str = ""
    """What puts it right, where no package does."""


def missing_requirement(offer: DemoModule, root: Path, user: int) -> MissingRequirement | None:
    """Return the first thing that is in the way of a module whose state stands below `root`; None: nothing.

    `user`: uid that runs the demo.
    """
    return next(chain(_of_programs(offer), _of_rights(offer, root, user)), None)


def _of_programs(offer: DemoModule) -> Iterator[MissingRequirement]:
    for program in (offer.program, *offer.also):
        if find_program(program) is None:
            reason = f"there is no {program} on this machine"
            yield MissingRequirement(
                offer.module, reason, offer.package, offer.installation if program == offer.program else ""
            )


def _of_rights(offer: DemoModule, root: Path, user: int) -> Iterator[MissingRequirement]:
    if not offer.as_root:
        return
    if user != 0:
        yield MissingRequirement(offer.module, f"only root can start {offer.program}")
    if not offer.gives_up_rights:
        return
    for place in reversed((root, *root.parents)):
        if place.exists() and not place.stat().st_mode & stat.S_IXOTH:
            yield MissingRequirement(offer.module, f"{place} is closed to the users as which {offer.program} works")

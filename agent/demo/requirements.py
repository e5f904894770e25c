"""Why a module can't be shown on this machine."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from agent.demo.modules import Offer, find_program


@dataclass(frozen=True, slots=True)
class Hindrance:
    """What stands in the way."""

    module: str
    reason: str
    package: str = ""
    """Package, or several, that would put it right; empty: none does."""
    installer: str = "apt-get install"
    """What brings it."""


def hindrance(offer: Offer, root: Path, user: int) -> Hindrance | None:
    """Return the first thing that is in the way of a module whose state stands below `root`; None: nothing.

    `user`: number of whoever runs the demo.
    """
    return next(chain(_of_programs(offer), _of_rights(offer, root, user)), None)


def _of_programs(offer: Offer) -> Iterator[Hindrance]:
    for program in (offer.program, *offer.also):
        if find_program(program) is None:
            yield Hindrance(offer.module, f"there is no {program} on this machine", offer.package, offer.installer)


def _of_rights(offer: Offer, root: Path, user: int) -> Iterator[Hindrance]:
    if not offer.as_root:
        return
    if user != 0:
        yield Hindrance(offer.module, f"only root can start {offer.program}")
    if not offer.gives_up_rights:
        return
    for place in reversed((root, *root.parents)):
        if place.exists() and not place.stat().st_mode & stat.S_IXOTH:
            yield Hindrance(offer.module, f"{place} is closed to the users as which {offer.program} works")

"""A CA was not asked, because that was certain to be in vain."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, Protocol

from agent.errors.source import SourceError

NAMED = 3


class Reason(Protocol):
    """Why a CA is not worth asking."""

    @property
    def name(self) -> str:
        """Name that it is about; empty: the whole order."""

    @property
    def cause(self) -> str:
        """A sentence."""

    @property
    def fix(self) -> str:
        """The cure."""


class PreflightStopped(SourceError):
    """What was looked at beforehand shows that an order can't succeed."""

    code = "source.preflight"
    counts: ClassVar[bool] = False

    def __init__(self, reasons: Sequence[Reason], retry_at: datetime) -> None:
        """Take at least one reason; `failed` are their names, unless one is about the whole order."""
        first = reasons[0]
        names = list(dict.fromkeys(each.name for each in reasons))
        all_of_them = "" in names
        why = f" for {len(reasons)} reasons, first of all" if len(reasons) > 1 else ""
        super().__init__(
            f"The CA was not asked, because that would be in vain{why}: {first.cause}",
            where="acme" if all_of_them else _listed(names),
            fix=first.fix,
            retry_at=retry_at,
            detail="\n".join(f"{each.cause} {each.fix}" for each in reasons) if len(reasons) > 1 else "",
        )
        self.failed = frozenset() if all_of_them else frozenset(names)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more

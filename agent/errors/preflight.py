"""A CA was not asked, because its answer was certain to be no."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from typing import Protocol

from agent.errors.acme import WHERE
from agent.errors.source import Elsewhere, SourceError
from agent.errors.wording import few


class Reason(Protocol):
    """Why a CA is not worth asking."""

    @property
    def name(self) -> str:
        """Name that it is about; empty: the whole order."""

    @property
    def code(self) -> str:
        """What kind of thing it is, in one word: ``caa`` ..."""

    @property
    def cause(self) -> str:
        """A sentence."""

    @property
    def fix(self) -> str:
        """The cure."""


class PreflightStopped(SourceError):
    """What was looked at beforehand shows that an order can't succeed, for one reason at least."""

    code = "source.preflight"
    counts = False
    cause = "The CA was not asked, because that can't succeed{others:? for % reasons, first of all}: {reasons[0].cause}"
    where = "{place}"
    fix = "{reasons[0].fix}"
    detail = "{all_reasons}"
    reasons: Sequence[Reason]
    retry_at: datetime

    @property
    def elsewhere(self) -> Elsewhere:  # type: ignore[override]  # of this one, not of its kind
        """CAA is about one CA; what else is wrong is wrong for each."""
        return Elsewhere.AT_ONCE if all(each.code == "caa" for each in self.reasons) else Elsewhere.NEVER

    @property
    def others(self) -> str:
        """Number of reasons, where there are several."""
        return str(len(self.reasons)) if len(self.reasons) > 1 else ""

    @property
    def place(self) -> str:
        """Names that the reasons are about."""
        return few(self._names) or WHERE

    @property
    def all_reasons(self) -> str:
        """Where there are several reasons: each with its cure."""
        return "\n".join(f"{each.cause} {each.fix}" for each in self.reasons) if self.others else ""

    @cached_property
    def failed(self) -> frozenset[str]:
        """Names that the reasons are about; none if one is about the whole order."""
        return frozenset(self._names)

    @property
    def _names(self) -> list[str]:
        """Names that the reasons are about; none if one is about the whole order."""
        names = list(dict.fromkeys(each.name for each in self.reasons))
        return [] if "" in names else names

"""Problem: what every caller shows of an error."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, as data: the same words in CLI, status, API and event log."""

    code: str
    """Stable, dotted: ``deploy.check_refused``."""
    cause: str
    """One sentence that ends with a full stop."""
    where: str = ""
    """Module, file, table, endpoint or step."""
    fix: str = ""
    """The next step: a command or a setting."""
    effect: str = ""
    """What is served meanwhile."""
    retry_at: datetime | None = None
    """When it is tried again by itself; None: not before something changes."""
    detail: str = ""
    """Raw output of a service or a library, folded."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types; times are RFC 3339 UTC."""
        row = asdict(self)
        row["retry_at"] = rfc3339(self.retry_at) if self.retry_at else None
        return row

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        at = row.get("retry_at")
        return cls(**{**row, "retry_at": datetime.fromisoformat(at) if at else None})

    def lines(self) -> list[str]:
        """Return the two lines that a terminal shows: what and where, then the next step."""
        told = re.match(rf"{re.escape(self.where)}(?![\w.-])", self.cause) if self.where else True
        first = self.cause if told else f"{self.where}: {self.cause}"
        second = " ".join(part for part in (self.effect, self.fix) if part)
        return [first, second] if second else [first]


def rfc3339(moment: datetime) -> str:
    """Return `moment` (aware) as RFC 3339 in UTC with a ``Z``, to the second."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

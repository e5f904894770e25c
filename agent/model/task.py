"""Task of a job: what the process that makes passes does for it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Self


class TaskKind(StrEnum):
    """What is done before the pass."""

    PASS = "pass"  # noqa: S105 - no password
    """Nothing: the change is in the store."""
    REVOKE = "revoke"
    """A chain is revoked by its CA."""
    REVOKE_SIGNED = "revoke signed"
    """A certificate is revoked that an own root has signed."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is done for a job."""

    kind: TaskKind = TaskKind.PASS
    subject: str = ""
    """Id of the chain, or serial number of what the root has signed."""
    reason: str = ""
    """CRLReason of RFC 5280 section 5.3.1."""
    windows: bool = True
    """Whether the pass waits for activation windows."""
    everywhere: bool = False
    """Whether the pass looks at every endpoint, not only at a sample."""

    def text(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str | None) -> Self:
        """Read it back; None: a pass."""
        row = json.loads(text) if text else {}
        return cls(**{**row, "kind": TaskKind(row.get("kind", TaskKind.PASS))})

"""Last starts of services, as a remembered word."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from agent.errors.problem import rfc3339
from agent.model.restart import Restart

KEY = "restarts"


class Remembering(Protocol):
    """What has remembered words."""

    def meta(self, key: str) -> str | None:
        """Return one."""


def read_restarts(store: Remembering) -> dict[str, Restart]:
    """Return the last start of each service by its name; none where that can't be read."""
    try:
        rows = json.loads(store.meta(KEY) or "{}")
        return {name: Restart(name, int(count), datetime.fromisoformat(at)) for name, (count, at) in rows.items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def written(restarts: Iterable[Restart]) -> str:
    """Return what `read_restarts` reads."""
    return json.dumps({each.service: [each.count, rfc3339(each.at)] for each in restarts})

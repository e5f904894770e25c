"""What was found out about a name: who answers challenges for it, or why nobody does."""

from __future__ import annotations

import errno
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path

from agent.errors.http01 import AnsweredByAnother, Http01Error, PortForbidden, PortUnusable, WebrootUnwritable
from agent.sources.acme.self_test import Seen


class By(Enum):
    """Who answers for a name."""

    THUMBPRINT = "thumbprint"
    """A web server that needs no file."""
    WEBROOT = "webroot"
    AGENT = "agent"
    """The agent's own listener."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A CA will be content."""

    by: By
    warning: str = ""
    """A sentence about an address of the name at which nobody listens."""


@dataclass(frozen=True, slots=True)
class Unopened:
    """Nobody listens at the port, and it can't be opened."""

    error: OSError


@dataclass(frozen=True, slots=True)
class Unwritten:
    """A file would be needed, and can't be written."""

    error: OSError


Unanswered = Seen | Unopened | Unwritten
Found = Answered | Unanswered


def refusal(wrong: Mapping[str, Found], port: int, webroot: Path, retry_at: datetime) -> Http01Error:
    """Return why nobody answers for the names in `wrong`, of which there is one at least: what is most fundamental."""
    for found in wrong.values():
        if isinstance(found, Unopened):
            return _closed(wrong, port, found.error, retry_at)
        if isinstance(found, Unwritten):
            return WebrootUnwritable(wrong, webroot, found.error, retry_at)
    seen = {name: found for name, found in wrong.items() if isinstance(found, Seen)}
    first = next(iter(seen.values()))
    return AnsweredByAnother(
        {name: str(each) for name, each in seen.items()},
        port,
        webroot,
        retry_at,
        server=first.server,
        redirected=bool(first.location or first.at),
    )


def _closed(names: Collection[str], port: int, error: OSError, retry_at: datetime) -> Http01Error:
    if error.errno in {errno.EACCES, errno.EPERM}:
        return PortForbidden(names, port, retry_at)
    return PortUnusable(names, port, error, retry_at)

"""`ChallengeWindow`: the time in which a CA has to reach this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeWindow:
    """What a firewall is to let in as long as a CA looks at challenges. It is opened, and closed again."""

    id: str
    """The same when it is opened and closed, and no other window's: lower-case letters and digits."""
    action: Literal["open", "close"]
    ports: tuple[int, ...]
    """TCP ports of this machine."""
    families: tuple[str, ...]
    """Of ``ipv4`` and ``ipv6``, those over which the CA may come."""
    names: tuple[str, ...]
    """What is proved."""

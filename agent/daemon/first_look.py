"""First look of a process that makes passes, before it imports what a pass needs: often there is nothing else to do."""

from __future__ import annotations

import json
import select
import socket
from pathlib import Path
from typing import Any

from agent.daemon.channel import LAST_WORDS
from agent.daemon.schedule import DUE
from agent.engine.due_looks import Looked, looked
from agent.system.clock import Clock

LONGEST = 65536
"""Octets that a message has at most which asks for a look alone."""
SECONDS = 5.0
"""Until the supervisor has said what it wants."""
BESIDE = frozenset({"number", "reason", "recheck", "told", "heard"})
"""Words of such a message."""


def is_enough(root: Path, pipe: int) -> bool:
    """Look, where the supervisor at the other end of `pipe` asks for what is due, and tell it; else leave its message there.

    Return whether that was all that there was to do.
    """
    with socket.socket(fileno=socket.dup(pipe)) as end:
        message, size = _peeked(end)
        if not is_about_looks(message):
            return False
        now = Clock(root).settled()
        found = looked(str(root), now) if now is not None else None
        if found is None:
            return False
        end.recv(size)
        end.sendall(json.dumps(answer(message, found)).encode() + b"\n")
        if select.select([end], [], [], 0)[0]:
            return False
        end.sendall(json.dumps(LAST_WORDS).encode() + b"\n")
        return True


def _peeked(end: socket.socket) -> tuple[dict[str, Any], int]:
    """Return the first message and its octets; none where it has not come as a whole."""
    if not select.select([end], [], [], SECONDS)[0]:
        return {}, 0
    line, newline, _ = end.recv(LONGEST, socket.MSG_PEEK).partition(b"\n")
    return (json.loads(line), len(line) + 1) if newline else ({}, 0)


def answer(message: dict[str, Any], found: Looked) -> dict[str, Any]:
    """Return what the supervisor is told of a look."""
    told = {"outcome": "looked", "due": found.until, "served": found.served}
    return {"number": message["number"], "reason": message["reason"], **told}


def is_about_looks(message: dict[str, Any]) -> bool:
    """Whether a message asks for nothing but what is due."""
    return (
        set(message) <= BESIDE
        and message.get("reason") == DUE
        and message.get("recheck") == "nothing"
        and not message.get("told")
    )

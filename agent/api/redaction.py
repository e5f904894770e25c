"""Redaction of answers: paths of the agent's own files."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.system.layout import Layout

REST = r"[^\s\"'`,;:()\[\]]*"
"""Rest of a path in a sentence or in a service's output."""


def redaction(layout: Layout) -> Callable[[Any], Any]:
    """Return a function that takes the paths of the agent's own files out of plain JSON types.

    A settings file is the administrator's, who has to find it: it stays, as it is called below ``--root``.
    """
    root = "" if layout.root == Path("/") else str(layout.root)
    own = "|".join(re.escape(str(each)) for each in (layout.state, layout.run, layout.log))
    pattern = re.compile(rf"(?:{own})(?![\w.-])({REST})")

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            text = pattern.sub(_short, value) if "/" in value else value
            return text.replace(root, "") if root else text
        if isinstance(value, list):
            return [clean(each) for each in value]
        if isinstance(value, dict):
            return {name: clean(each) for name, each in value.items()}
        return value

    return clean


def _short(found: re.Match[str]) -> str:
    """Keep a file's name: it tells which of a module's files is meant."""
    name = found[1].rstrip("/").rpartition("/")[2]
    return f".../{name}" if name else "..."

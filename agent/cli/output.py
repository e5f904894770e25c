"""Output of commands: JSON, tables, and colours on terminals only."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

SCHEMA = 1
CUT = "..."


def print_json(row: Mapping[str, Any], *, one_line: bool = False) -> None:
    """Print one object with the number of its schema."""
    click.echo(json.dumps({"schema": SCHEMA, **row}, indent=None if one_line else 2, ensure_ascii=False))


def wants_colour(option: bool | None) -> bool | None:
    """Return click's setting: False never, None as it detects for each stream.

    NO_COLOR counts when it isn't empty (no-color.org).
    """
    if option is False or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return None


def width() -> int | None:
    """Return the columns of the terminal; None where stdout is none, so that nothing is cut."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def note(text: str) -> None:
    """Print a message for people; stdout is kept for data."""
    click.echo(text, err=True)


def columns(rows: Sequence[Sequence[str]], limit: int | None = None) -> list[str]:
    """Return lines with padded cells, each no longer than `limit`; cells may hold colours."""
    widths = [max(len(click.unstyle(row[index])) for row in rows) for index in range(len(rows[0]))] if rows else []
    lines = []
    for row in rows:
        cells = [cell + " " * (wide - len(click.unstyle(cell))) for cell, wide in zip(row, widths, strict=True)]
        lines.append(_cut("  ".join(cells).rstrip(), limit))
    return lines


def _cut(line: str, limit: int | None) -> str:
    """Shorten a line that the terminal would wrap. Only cells before the last have colours, so the end has none."""
    surplus = len(click.unstyle(line)) - (limit or len(line))
    return line if surplus <= 0 else line[: -surplus - len(CUT)] + CUT

"""Copies of the audit record in the system's journal, which who changes the database can't change with it."""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping
from typing import Any

from agent.system.layout import Layout

IDENTIFIER = "chainwright-audit"
SOCKET = "run/systemd/journal/socket"
"""systemd's native protocol, https://systemd.io/JOURNAL_NATIVE_PROTOCOL/."""
FIELDS = ("at", "who", "address", "action", "subject", "detail", "times", "series", "number")

log = logging.getLogger("chainwright.audit")


def write_to_journal(layout: Layout, row: Mapping[str, Any], link: str) -> None:
    """Write one line with structured fields; where there is no journal, to the process's own log."""
    fields = {name: _plain(row[name]) for name in FIELDS} | {"link": link}
    what = " ".join(each for each in (fields["action"], fields["subject"], fields["detail"]) if each)
    times = f" ({fields['times']} times)" if row["times"] > 1 else ""
    message = (
        f"{fields['series']} {fields['number']}, {link[:12]}: {fields['who']} from {fields['address']}: {what}{times}"
    )
    if not _sent(layout, {"MESSAGE": message, "PRIORITY": "6", "SYSLOG_IDENTIFIER": IDENTIFIER} | _named(fields)):
        log.info("%s", message)


def _named(fields: Mapping[str, str]) -> dict[str, str]:
    return {f"CHAINWRIGHT_{name.upper()}": text for name, text in fields.items()}


def _sent(layout: Layout, fields: Mapping[str, str]) -> bool:
    content = "".join(f"{name}={text}\n" for name, text in fields.items()).encode()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as journal:
            journal.connect(str(layout.root / SOCKET))
            journal.send(content)
    except OSError:  # there is none, or it is full
        return False
    return True


def _plain(value: object) -> str:
    """Return a text in which nothing ends a line."""
    return "".join(each if each.isprintable() else "?" for each in str(value))

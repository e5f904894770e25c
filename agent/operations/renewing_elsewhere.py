"""What of another client goes on renewing beside this agent, and the command that ends it. Nothing is ended here."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from agent.system.trust import read_regular

if TYPE_CHECKING:
    from agent.operations.lineages.lineage import Client
    from agent.system.layout import Layout

TIMERS = "/etc/systemd/system/timers.target.wants"
"""Links to the timers that are enabled."""
SERVICES = "/etc/systemd/system/multi-user.target.wants"
TABLES = ("/etc/crontab", "/etc/cron.d")
CALLED = ("/etc/cron.hourly", "/etc/cron.daily", "/etc/cron.weekly", "/etc/cron.monthly")
"""Directories of programs."""
OWN_TABLES = ("/var/spool/cron/crontabs", "/var/spool/cron")
"""crontab(1)'s, by user: Debian's, and others'."""


def commands(layout: Layout, client: Client) -> list[str]:
    """Return the commands that end what is found to renew."""
    return list(dict.fromkeys((*_units(layout, client), *_tables(layout, client), *_called(layout, client))))


def _units(layout: Layout, client: Client) -> Iterator[str]:
    for place in (TIMERS, SERVICES):
        for each in _entries(layout.rooted(place)):
            if _names(each.name, client):
                yield f"systemctl disable --now {shlex.quote(each.name)}"


def _tables(layout: Layout, client: Client) -> Iterator[str]:
    for place in TABLES:
        for each in _files(layout.rooted(place)):
            if _is_called(each, client):
                yield f"sed -i '/{client.name}/s/^/#/' {shlex.quote(str(each))}"
    for place in OWN_TABLES:
        for each in _files(layout.rooted(place)):
            if _is_called(each, client):
                user = f"crontab -u {shlex.quote(each.name)}"
                yield f"{user} -l | sed '/{client.name}/s/^/#/' | {user} -"


def _called(layout: Layout, client: Client) -> Iterator[str]:
    for place in CALLED:
        for each in _files(layout.rooted(place)):
            if each.stat().st_mode & 0o100 and _is_called(each, client):
                yield f"chmod -x {shlex.quote(str(each))}"


def _is_called(path: Path, client: Client) -> bool:
    """Whether a line that is no comment names the client."""
    try:
        lines = read_regular(path).decode(errors="replace").splitlines()
    except OSError:
        return False
    return any(_names(line, client) for line in lines if not line.lstrip().startswith("#"))


def _names(text: str, client: Client) -> bool:
    """Whether the client's name is in a text as a word: `lego` is not in `legolas`."""
    return re.search(rf"(?<![\w-]){re.escape(client.name)}(?!\w)", text) is not None


def _files(path: Path) -> list[Path]:
    return [each for each in ([path] if path.is_file() else _entries(path)) if each.is_file()]


def _entries(path: Path) -> list[Path]:
    try:
        return sorted(path.iterdir())
    except OSError:
        return []

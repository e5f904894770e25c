"""Ownership of the demo's state: root goes on with what an ordinary user has begun, who then can't any more."""

from __future__ import annotations

import os
import pwd
from contextlib import suppress
from pathlib import Path

from agent.demo.modules import PORTAL_GROUP, WORKERS_USER
from agent.system.layout import Layout
from agent.system.writing import replace

ROOT = 0
ADDED = {
    "reverse_proxy.toml": ("worker_processes = 1\n", WORKERS_USER, "user ="),
    "web_auth.toml": ("\n[modules.web_auth.brand]\n", PORTAL_GROUP, "workers_group ="),
}
"""Settings file -> line before which one belongs where root runs the demo, that line, and what says that there is one."""


def take_over(layout: Layout, user: int) -> str:
    """Make the state root's where root runs the demo on another user's; return what is to be said of it. Raises OSError.

    Root believes no settings that another user can change, and that user can't write what root writes from now on.
    """
    with suppress(FileNotFoundError):
        owner = layout.root.stat().st_uid
        if user == ROOT and owner != ROOT:
            _give_to_root(layout.root, owner)
            _add_lines(layout)
            return f"The state was {_name(owner)}'s; it is root's now, so only root can run the demo on it."
    return ""


def _give_to_root(place: Path, owner: int) -> None:
    """Change the owner of each file below, and of no file to which a link leads."""
    for _, directories, files, descriptor in os.fwalk(place):
        for name in (*directories, *files):
            if os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_uid == owner:
                os.chown(name, ROOT, ROOT, dir_fd=descriptor, follow_symlinks=False)
        os.chown(descriptor, ROOT, ROOT)


def _add_lines(layout: Layout) -> None:
    for name, (before, line, mark) in ADDED.items():
        path = layout.conf_d / name
        text = path.read_text() if path.exists() else ""
        if before in text and mark not in text:
            replace(path, text.replace(before, line + before, 1).encode(), mode=0o644)


def _name(owner: int) -> str:
    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        return f"user {owner}"

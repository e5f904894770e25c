"""Person behind a command, for the audit record."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Mapping

from agent.auth.person import Actor

COMMAND = "command"
"""The address of a change that is made by a command on the appliance itself."""
LONGEST = 64


def account_name(uid: int) -> str:
    """Return the name of a system user; empty where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return ""


def command_actor(
    environment: Mapping[str, str] = os.environ,
    uid: int | None = None,
    name_of: Callable[[int], str] = account_name,
) -> Actor:
    """Return who has called this command: the process's user, or the one for whom sudo made root of it.

    `environment`: SUDO_USER and SUDO_UID count for root alone, as anybody can set them for himself. `uid`: of the process;
    None: this one's.
    """
    uid = os.geteuid() if uid is None else uid
    user, number = environment.get("SUDO_USER", ""), environment.get("SUDO_UID", "")
    if uid == 0 and number.isascii() and number.isdecimal() and user.isprintable() and user:
        return Actor(f"{user[:LONGEST]} (uid {number[:10]}, by sudo)", COMMAND)
    name = name_of(uid)
    return Actor(f"{name} (uid {uid})" if name else f"uid {uid}", COMMAND)

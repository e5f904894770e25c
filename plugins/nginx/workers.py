"""The user that nginx's workers run as."""

from __future__ import annotations

import os
import pwd

USUAL = "www-data"
"""Debian's, whose nginx has another one compiled in (nobody) and names this one in its main file."""


def usual_user() -> str | None:
    """Return who the workers are to be unless the settings say so; None: as nginx's own default has it.

    A master that isn't root's can't choose.
    """
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(USUAL).pw_name
    except KeyError:
        return None

"""Units of their own for the daemons that the agent starts, where it is itself a unit of systemd.

In the agent's unit such a daemon would have the agent's rights in place of its own (dovecot could not chroot, charon have no
tunnel), count for the agent's memory, and end with the agent.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

BOOTED = Path("/run/systemd/system")
"""Is there where systemd is the first process (sd_booted(3))."""


def is_in_unit(environment: Mapping[str, str], booted: Path) -> bool:
    """Whether this process is in a unit (systemd.exec(5)) and may have others made."""
    return "INVOCATION_ID" in environment and booted.is_dir() and os.geteuid() == 0


def environment_file(environment: Mapping[str, str]) -> bytes:
    """Return variables as a file for ``EnvironmentFile=`` (systemd.exec(5)).

    On the command line, and as ``Environment=`` of a unit, every user could read them.
    """
    quoted = {name: re.sub(r'(["\\$`])', r"\\\1", value) for name, value in environment.items()}
    return "".join(f'{name}="{value}"\n' for name, value in quoted.items()).encode()


def in_unit_of_its_own(argv: Sequence[str], out: int, err: int, environment: int, timeout: float) -> list[str]:
    """Return the command that has systemd start a daemon, and ends when that has gone to the background.

    `out`, `err`: open files, at whose ends its stdout and stderr are written; `environment`: one with an `environment_file`.
    systemd opens them by their names in ``/proc``.
    """
    files = f"/proc/{os.getpid()}/fd"
    properties = {
        "Type": "forking",
        "TimeoutStartSec": f"{timeout:g}",
        "StandardOutput": f"append:{files}/{out}",
        "StandardError": f"append:{files}/{err}",
        "EnvironmentFile": f"{files}/{environment}",
    }
    return [
        *("systemd-run", "--quiet", "--collect", f"--description={Path(argv[0]).name}, started by chainwright"),
        *(f"--property={name}={value}" for name, value in properties.items()),
        "--",
        *argv,
    ]

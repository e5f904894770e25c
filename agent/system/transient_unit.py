"""Units of their own for the daemons that the agent starts, where it is itself a unit of systemd.

In the agent's unit such a daemon would have the agent's rights in place of its own (dovecot could not chroot, charon have no
tunnel), count for the agent's memory, and end with the agent.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

BOOTED = Path("/run/systemd/system")
"""Is there where systemd is the first process (sd_booted(3))."""


def is_in_unit(environment: Mapping[str, str], booted: Path) -> bool:
    """Whether this process is in a unit (systemd.exec(5)) and may have others made."""
    return "INVOCATION_ID" in environment and booted.is_dir() and os.geteuid() == 0


def in_unit_of_its_own(
    argv: Sequence[str], environment: Mapping[str, str], outputs: tuple[int, int], timeout: float
) -> list[str]:
    """Return the command that has systemd start a daemon, and ends when that has gone to the background.

    `outputs`: open files, at whose ends stdout and stderr are written. systemd opens them by their names in ``/proc``.
    """
    names = [f"append:/proc/{os.getpid()}/fd/{descriptor}" for descriptor in outputs]
    properties = {
        "Type": "forking",
        "TimeoutStartSec": f"{timeout:g}",
        "StandardOutput": names[0],
        "StandardError": names[1],
    }
    return [
        *("systemd-run", "--quiet", "--collect", f"--description={Path(argv[0]).name}, started by chainwright"),
        *(f"--property={name}={value}" for name, value in properties.items()),
        *(f"--setenv={name}={value}" for name, value in environment.items()),
        "--",
        *argv,
    ]

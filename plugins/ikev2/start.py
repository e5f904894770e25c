"""Start of a charon of the agent's own: run it, and wait until it answers.

Called as ``python -m plugins.ikev2.start PROGRAM STRONGSWAN_CONF SOCKET PID_FILE LOG``. charon reads its configuration from
where its environment says, stays in the foreground, and writes no pid file: this does what its unit does elsewhere.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from plugins.ikev2.vici_socket import session

PATIENCE = 20.0
"""Seconds until it answers."""
NOT_FOUND = 127


def start(program: str, configuration: str, pid_file: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start it in a session of its own. Its name in lists of processes tells whose it is."""
    environment = {**os.environ, "STRONGSWAN_CONF": configuration}
    with log.open("ab") as output:
        process = subprocess.Popen(
            [configuration.replace("strongswan.conf", "charon")],
            executable=program,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
        )
    draft = pid_file.with_name(f".{pid_file.name}.new")
    draft.write_text(f"{process.pid}\n")
    draft.replace(pid_file)
    return process


def answers(socket: Path) -> bool:
    """Whether charon does."""
    try:
        with session(socket) as charon:
            charon.version()
    except OSError:
        return False
    return True


def main(arguments: Sequence[str]) -> int:
    """Start; return the exit code."""
    program, configuration, socket, pid_file, log = arguments
    Path(socket).unlink(missing_ok=True)
    try:
        process = start(program, configuration, Path(pid_file), Path(log))
    except FileNotFoundError:
        sys.stderr.write(f"{program} is not installed\n")
        return NOT_FOUND
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        if answers(Path(socket)):
            return 0
        time.sleep(0.05)
    Path(pid_file).unlink(missing_ok=True)
    process.kill()
    sys.stderr.write(f"error: charon does not come up, see {log}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

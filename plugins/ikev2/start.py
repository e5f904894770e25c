"""Start of a charon of the agent's own: run it, wait until it answers, and load at once what it serves.

Called as ``python -m plugins.ikev2.start PROGRAM STRONGSWAN_CONF SOCKET PID_FILE LOG [STATE DIRECTORY...]``. charon reads its
configuration from where its environment says, stays in the foreground, and writes no pid file: this does what its unit does
elsewhere. From when its sockets are open until it has a connection it refuses all that dial (NO_PROPOSAL_CHOSEN), and its own
start scripts come late: so all is read before it runs, and loaded as soon as its control socket is there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from plugins.ikev2.grammar import Unreadable
from plugins.ikev2.load import Prepared, Refused
from plugins.ikev2.vici_socket import session

TICK = 0.002
"""Seconds between two looks whether it answers."""
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


def main(arguments: Sequence[str]) -> int:
    """Start; return the exit code."""
    program, configuration, socket, pid_file, log, *loaded = arguments
    Path(socket).unlink(missing_ok=True)
    prepared = _prepared(*loaded) if loaded else None
    try:
        process = start(program, configuration, Path(pid_file), Path(log))
    except FileNotFoundError:
        sys.stderr.write(f"{program} is not installed\n")
        return NOT_FOUND
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        if _is_up(Path(socket), prepared):
            return 0
        time.sleep(TICK)
    Path(pid_file).unlink(missing_ok=True)
    process.kill()
    sys.stderr.write(f"error: charon does not come up, see {log}\n")
    return 1


def _prepared(state: str, *directories: str) -> Prepared | None:
    """Read what is to be loaded, with all that takes long; None: it can't be read, and what loads it next says why."""
    import vici  # type: ignore[import-untyped]  # noqa: F401 - before charon runs
    from cryptography import x509  # noqa: F401

    try:
        return Prepared(Path(state), [Path(each).resolve() for each in directories])
    except Unreadable:
        return None


def _is_up(socket: Path, prepared: Prepared | None) -> bool:
    """Whether charon answers. Then it is given what it serves at once: until it is, it refuses everybody."""
    try:
        with session(socket) as charon:
            charon.version()
            if prepared is not None:
                prepared.load(charon)
    except OSError:
        return False
    except Refused as error:  # charon runs, and its own start script says so once more
        sys.stderr.write(f"{error}\n")
    return True


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main(sys.argv[1:]))

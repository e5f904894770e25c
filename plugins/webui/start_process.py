"""Start of the web interface without systemd: as the user who may read its files, with what its unit does elsewhere.

Called as ``python -m plugins.webui.start_process ROOT LIVE PID_FILE LOG``. It ends with 0 once the process listens.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from chainwright import AgentError
from plugins.webui.generation import listen_of

PATIENCE = 20.0
"""Seconds until it listens."""
PAUSE = 0.05
SHORT = 32
"""Octets of a pid file that are read."""
LONGEST = 4096
"""Octets of what it says at its start."""
PRIVILEGED = 1024
"""Ports below are root's, and theirs who have the capability (capabilities(7))."""
BINDS = "net_bind_service"


def user_of(live: Path) -> pwd.struct_passwd | None:
    """Return the user of the process, who has the name of the files' group; None: the caller. Raises KeyError."""
    group = live.stat().st_gid
    if os.geteuid() != 0 or group == 0:
        return None
    return pwd.getpwnam(grp.getgrgid(group).gr_name)


def as_user(user: pwd.struct_passwd | None, argv: Sequence[str], *, privileged: bool) -> list[str]:
    """Return a command that runs another one as `user`, who may bind ports below 1024 where `privileged`."""
    if user is None:
        return [*argv]
    binds = f"+{BINDS}" if privileged else ""
    capabilities = [f"--inh-caps=-all,{binds}", f"--ambient-caps=-all,{binds}"] if binds else ["--inh-caps=-all"]
    ids = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups", "--no-new-privs"]
    return [shutil.which("setpriv") or "setpriv", *ids, *capabilities, "--", *argv]


def start(root: str, live: Path, pid_file: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start it in a session of its own. Raises `OSError`, KeyError and `AgentError`."""
    user = user_of(live)
    privileged = any(0 < port < PRIVILEGED for _, port in listen_of(live))
    _make_place(pid_file.parent, user)
    argv = [sys.executable, "-P", "-m", "agent", "--root", root, "webui", "--pid-file", str(pid_file)]
    with log.open("ab") as output:
        return subprocess.Popen(
            as_user(user, argv, privileged=privileged),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            start_new_session=True,
        )


def _make_place(directory: Path, user: pwd.struct_passwd | None) -> None:
    """Make the directory of the pid file. One that is there is somebody's."""
    with suppress(FileExistsError):
        directory.mkdir()
        if user is not None:
            os.chown(directory, user.pw_uid, user.pw_gid)


def _names(pid_file: Path, pid: int) -> bool:
    """Whether the process has written its number: its user may have put anything there, also what never ends."""
    with suppress(OSError):
        descriptor = os.open(pid_file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            return os.read(descriptor, SHORT).strip() == b"%d" % pid
        finally:
            os.close(descriptor)
    return False


def _first_line(log: Path, begin: int) -> str:
    """Return what it said first, after the octets that were in its log before."""
    with log.open("rb") as file:
        file.seek(begin)
        lines = file.read(LONGEST).decode(errors="replace").splitlines()
    return next((line for line in lines if line.strip()), "it said nothing")


def main(arguments: Sequence[str]) -> int:
    """Start; return the exit code."""
    root, live, pid_file, log = arguments[0], *map(Path, arguments[1:])
    begin = log.stat().st_size if log.exists() else 0
    try:
        process = start(root, live, pid_file, log)
    except KeyError:
        sys.stderr.write(f"error: the group of {live} has no user of the same name\n")
        return 1
    except (OSError, AgentError) as error:
        sys.stderr.write(f"error: {str(error).splitlines()[0]}\n")
        return 1
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        if _names(pid_file, process.pid):
            return 0
        time.sleep(PAUSE)
    process.kill()
    sys.stderr.write(f"error: the web interface does not come up: {_first_line(log, begin)}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

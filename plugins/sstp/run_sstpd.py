"""Check, start and restart of sstp-server, which has no test, no reload and no pid file.

Called as ``python run_sstpd.py check|start|restart PROGRAM CONFIGURATION PID_FILE LOG``. Exit code 127: it isn't installed. What
would end it at its start is looked for first, as no client is connected until it is up again. A check also has it tried whether
it carries frames, which its start doesn't show.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from configparser import ConfigParser, Error
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).parent
TRY_SSTPD, REPAIR_SSTPD = HERE / "try_sstpd.py", HERE / "repair_sstpd.py"
NOT_FOUND = 127
GRACE = 10.0
"""Seconds for it to end, then it is killed; also for it to come up."""
RELEASE = 3.0
"""Seconds for processes of sessions, which end with it, to let go of its port."""
LONGEST_TRIAL = 60.0
"""Seconds; a trial that takes longer says nothing."""
HEAD = 1024
"""Octets of a script, in which its interpreter is named."""
PAUSE = 0.02
ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where an address that means "every" is reached


def read(configuration: Path) -> dict[str, str]:
    """Return the settings, as sstp-server reads them; end with a complaint where they can't be read."""
    parser = ConfigParser()
    try:
        with configuration.open() as file:
            parser.read_file(file)
        return dict(parser.items("DEFAULT"))
    except (OSError, Error, UnicodeDecodeError) as error:
        sys.exit(f"{configuration}: {str(error).splitlines()[0]}")


def check(configuration: Path) -> None:
    """Look for everything that sstp-server needs to come up; end with the first complaint."""
    settings = read(configuration)
    missing = next((name for name in ("listen", "pem_cert", "pem_key", "pppd") if not settings.get(name)), None)
    if missing:
        sys.exit(f'{configuration}: it has no "{missing}"')
    if not settings.get("listen_port", "443").isdecimal():
        sys.exit(f'{configuration}: listen_port must be a number, and it is "{settings["listen_port"]}"')
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings["pem_cert"], settings["pem_key"])
    except OSError as error:
        sys.exit(f"{configuration}: pem_cert and pem_key can't be used: {_reason(error)}")
    if shutil.which(settings["pppd"]) is None:
        sys.exit(f"{configuration}: pppd {settings['pppd']} can't be run; sstp-server does not start without it")


def check_frames(program: str) -> None:
    """Have its own Python try whether it carries frames; a program that is no Python script isn't tried."""
    python = interpreter_of(Path(shutil.which(program) or program))
    if python is None:
        return
    with suppress(OSError, subprocess.TimeoutExpired):
        argv = [python, str(TRY_SSTPD), str(REPAIR_SSTPD)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=LONGEST_TRIAL, check=False, cwd="/")
        if done.returncode == 0 and done.stdout:
            sys.exit(f"{program} carries no frames: {done.stdout.strip()}")


def interpreter_of(script: Path) -> str | None:
    """Return the Python that runs a script, by its first line; by the second where its path is too long or has a blank."""
    with script.open("rb") as file:
        first, _, rest = file.read(HEAD).decode(errors="replace").partition("\n")
    try:
        words = shlex.split(first.removeprefix("#!")) if first.startswith("#!") else []
        if words and words[0] == "/bin/sh" and rest.startswith("'''exec' "):
            words = shlex.split(rest.partition("\n")[0])[1:]
    except ValueError:
        return None
    if len(words) > 1 and Path(words[0]).name == "env":
        words = [word for word in words[1:] if not word.startswith("-")]
    return shutil.which(words[0]) if words and Path(words[0]).name.startswith("python") else None


def check_port(configuration: Path) -> None:
    """Look whether a port that isn't served now is another program's."""
    place = place_of(read(configuration))
    if place != _present_place(configuration) and _takes_connections(place):
        sys.exit(f"{configuration}: another program listens at {place[0]} port {place[1]} already")


def _present_place(configuration: Path) -> tuple[str, int]:
    """Where it serves now; where that can't be read, the new place is taken for the same."""
    parser = ConfigParser()
    with suppress(OSError, Error, UnicodeDecodeError, KeyError, ValueError):
        parser.read_string((configuration.parent.parent / "live" / configuration.name).read_text())
        return place_of(dict(parser.items("DEFAULT")))
    return place_of(read(configuration))


def place_of(settings: dict[str, str]) -> tuple[str, int]:
    """Return where this machine reaches it."""
    address = settings["listen"].split(",")[0]
    return ANY.get(address, address), int(settings.get("listen_port", "443"))


def start(program: str, configuration: Path, pid_file: Path, log: Path) -> None:
    """Start it, and wait until it takes connections; end with what it said last where it doesn't come up."""
    place = place_of(read(configuration))
    if _takes_connections(place):
        sys.exit(f"error: another program listens at {place[0]} port {place[1]} already")
    with log.open("ab") as file:
        process = subprocess.Popen(
            [program, "-f", str(configuration)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    draft = pid_file.with_name(f"{pid_file.name}.new")
    draft.write_text(f"{process.pid}\n")
    draft.replace(pid_file)
    _wait(lambda: process.poll() is not None or _takes_connections(place))
    if process.poll() is not None:
        pid_file.unlink()
        sys.exit(f"error: sstp-server ended at its start: {_last_line(log)}")
    if not _takes_connections(place):
        sys.exit(f"error: sstp-server takes no connections at {place[0]} port {place[1]} within {GRACE:g} s")


def stop(program: str, pid_file: Path) -> None:
    """End it, and with it every session, if it runs."""
    try:
        pid = int(pid_file.read_text().split()[0])
        handle = os.pidfd_open(pid)  # goes on to mean this process when the number is given to another one
    except (OSError, ValueError, IndexError):
        return
    try:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not _runs(program, pid):
                return
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, number)
            if _wait(lambda: _has_ended(pid)):
                return
    finally:
        os.close(handle)


def _runs(program: str, pid: int) -> bool:
    """Whether a process is the program: another process may have the number of one that has ended."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.fsencode(Path(program).name) in {os.path.basename(word) for word in words}  # noqa: PTH119 - octets


def _has_ended(pid: int) -> bool:
    """Whether a process is gone, or a zombie (proc(5)): its parent may never wait for it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return True


def _reason(error: OSError) -> str:
    reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
    return str(reason or error).replace("_", " ").lower()


def _takes_connections(place: tuple[str, int]) -> bool:
    with suppress(OSError), socket.create_connection(place, timeout=1) as plain:
        return bool(plain.getsockname() != plain.getpeername())  # a socket may meet itself where no process listens
    return False


def _wait(condition: Callable[[], bool], seconds: float = GRACE) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(PAUSE)
    return True


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return lines[-1] if lines else "it said nothing"


def main(verb: str, program: str, configuration: Path, pid_file: Path, log: Path) -> None:
    """Do what `verb` says."""
    if shutil.which(program) is None:
        sys.stderr.write(f"{program} is not installed\n")
        sys.exit(NOT_FOUND)
    check(configuration)
    if verb == "check":
        check_port(configuration)
        check_frames(program)
        return
    if verb == "restart":
        stop(program, pid_file)
        place = place_of(read(configuration))
        _wait(lambda: not _takes_connections(place), RELEASE)
    start(program, configuration, pid_file, log)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(Path, sys.argv[3:6]))

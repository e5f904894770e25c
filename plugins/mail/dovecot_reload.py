"""Reload of dovecot that sees whether it was taken.

Called as ``python dovecot_reload.py DOVECONF MAIN_FILE PID_FILE [COMMAND ARGUMENT...]``: the command, or SIGHUP to the process of
the pid file, has dovecot read its files. dovecot ends with 0 whether it then takes them or goes on with those that it had; its
master has another process for its configuration only when it has taken them, and that is waited for.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from plugins.mail.programs import LOG_LIMIT, NOT_FOUND, PAUSE, PROC, master_of, run

SECONDS = 120.0
"""Patience: with thousands of names, dovecot reads its files for some seconds, and longer on a machine under load."""
REFUSED_AFTER = 2.0
"""Seconds, after which files that can't be read are the reason: dovecot has refused them by then."""
CONFIG = re.compile(rb"[^/\0]+/config\b")
"""How a process that holds a configuration is called, with the name of its instance; those of earlier configurations stay as long
as sessions of theirs."""
GREETING = b"VERSION\tconfig\t2\t0\n"
"""Nothing is asked: a question of the master's kind would have that process read the files again."""


def configured(master: int | None) -> set[int]:
    """Return the processes called "config" among the children of the master (proc(5): the parent is the second field)."""
    found = set()
    for place in PROC.glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == master and CONFIG.match((place / "cmdline").read_bytes()):
                found.add(int(place.name))
        except (OSError, ValueError, IndexError):
            continue  # it has ended meanwhile
    return found


def need_configuration(pid_file: Path) -> None:
    """Have a process hold the configuration: the master starts it when somebody asks for one."""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as config:
        config.settimeout(1)
        config.connect(str(pid_file.with_name("config")))
        config.sendall(GREETING)


def tell(master: int | None, command: Sequence[str]) -> None:
    """Have the files read; end with what the command ends with where it fails."""
    if not command:
        if master is None:
            sys.exit("there is no process to send a signal to")
        try:
            os.kill(master, signal.SIGHUP)
        except OSError as error:
            sys.exit(f"the process {master} can't be told: {error.strerror}")
        return
    run(command)


def complaint(doveconf: str, main_file: str) -> str:
    """Return what dovecot says of files that it can't read; empty: it can."""
    read = ask(doveconf, main_file, "-x", "base_dir")
    return read.stderr.strip() if read.returncode not in {0, NOT_FOUND} else ""


def errors_logged(doveconf: str, main_file: str) -> str:
    """Return what dovecot's log says of its last reload, where it is a file."""
    log = log_of(doveconf, main_file)
    if log is None:
        return ""
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - LOG_LIMIT, 0))
        text = file.read(LOG_LIMIT).decode(errors="replace").rpartition("SIGHUP received")[2]
    return "\n".join(line for line in text.splitlines() if "Error: " in line or "Fatal: " in line)


def ask(doveconf: str, main_file: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Ask doveconf."""
    argv = (doveconf, "-c", main_file, *arguments)
    try:
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return subprocess.CompletedProcess(argv, NOT_FOUND, "", f"{doveconf} is not installed")


def log_of(doveconf: str, main_file: str) -> Path | None:
    """Return the file that dovecot logs to; None: a log that is elsewhere."""
    place = Path(ask(doveconf, main_file, "log_path").stdout.partition("=")[2].strip() or "syslog")
    return place if place.is_file() else None


def wait(taken: Callable[[], bool], complaint: Callable[[], str]) -> str | None:
    """Wait until it is taken: then return None, else why not, as far as the files tell."""
    begun = time.monotonic()
    asked = False
    while not taken():
        passed = time.monotonic() - begun
        if passed > SECONDS:
            return ""
        if passed > REFUSED_AFTER and not asked:
            asked = True
            if why := complaint():
                return why
        time.sleep(PAUSE)
    return None


def main(doveconf: str, main_file: str, pid_file: str, *command: str) -> None:
    """Tell it, and wait."""
    place = Path(pid_file)
    master = master_of(place)
    need_configuration(place)
    before = configured(master)
    tell(master, command)
    if not before:
        return  # what to wait for can't be seen from here
    why = wait(lambda: is_another(master, before, place), lambda: complaint(doveconf, main_file))
    if why is not None:
        said = why or errors_logged(doveconf, main_file)
        sys.exit(f"dovecot goes on with the configuration that it had\n{said}".rstrip())


def is_another(master: int | None, before: set[int], pid_file: Path) -> bool:
    """Whether another process holds the configuration than `before`."""
    need_configuration(pid_file)
    return bool(configured(master) - before)


if __name__ == "__main__":
    main(*sys.argv[1:])

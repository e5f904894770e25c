"""Printer of what a reload of dovecot does to its sessions, and of those that there are.

Called as ``python dovecot_sessions.py sessions DOVECONF MAIN_FILE PID_FILE [theirs]``. It prints ``live VALUE`` and ``file
VALUE``, both of the setting shutdown_clients, then ``session NUMBER USER`` for each user who is connected. What decides is the
live value: that of the last reload that dovecot took. Its process "config" tells it (dovecot 2.3); later ones don't, and cut
sessions when one of both is "yes": then ``live unknown`` is printed. With ``theirs`` it prints ``add MAIN_FILE`` too: the
administrator's, where the setting would be added. With ``observe`` in place of ``sessions`` it prints a finding where the next
reload cuts sessions, as JSON.
"""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

from plugins.mail.programs import printed

SETTING = "shutdown_clients"
DEFAULT = "yes"
ASKED = b"VERSION\tconfig\t2\t0\nREQ\n"
"""Question for all settings, as the question for those of the master has that process read the files again."""
SECONDS = 9.0


def setting(doveconf: str, main_file: str, name: str) -> str:
    """Return a setting as the files have it now."""
    return printed(doveconf, "-c", main_file, name, seconds=SECONDS).partition("=")[2].strip()


def live(base: Path) -> str:
    """Return what dovecot was given with its last reload; "" where it doesn't run, "unknown" where it doesn't tell."""
    try:
        with socket.socket(socket.AF_UNIX) as config:
            config.settimeout(SECONDS)
            config.connect(str(base / "config"))
            config.sendall(ASKED)
            return value_in(config)
    except OSError:
        return ""


def value_in(config: socket.socket) -> str:
    """Read up to an empty line, and keep the setting alone: keys are among the others. What is as by default isn't told."""
    rest, value = b"", DEFAULT
    while data := config.recv(65536):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            name, _, found = line.partition(b"=")
            if not line:
                return value
            value = found.decode() if name == SETTING.encode() else value
        if lines[:1] in ([b"+"], [b"-"]):  # 2.4 hands over a file
            break
    return "unknown"


def sessions(doveadm: str, main_file: str) -> list[str]:
    """Return a line for each user and protocol."""
    found = []
    for line in printed(doveadm, "-c", main_file, "-f", "tab", "who", seconds=SECONDS).splitlines()[1:]:
        user, number, *_ = (*line.split("\t"), "", "")
        if number.isdigit():
            found.append(f"session {number} {user}")
    return found


def finding(live_value: str, file_value: str, main_file: str, *, theirs: bool) -> str:
    """Return what is to be known of the next reload as a line of an observation; empty: nothing."""
    if live_value == "yes" and file_value == "no":
        cause = "dovecot still runs with shutdown_clients = yes: its next reload ends every session, and is the last that does"
        fix = f"Choose the time of it: doveadm -c {main_file} reload"
    elif theirs and live_value in {"yes", "unknown"} and file_value == "yes":
        cause = "dovecot runs with shutdown_clients = yes: each renewal ends every session of IMAP and POP3"
        fix = f"Add to {main_file}: shutdown_clients = no; the reload that brings it in still ends them: doveadm reload"
    else:
        return ""
    return json.dumps({"finding": "notice", "subject": SETTING, "why": f"{cause}.", "fix": f"{fix}."}) + "\n"


def main(what: str, doveconf: str, main_file: str, pid_file: str, whose: str = "") -> None:
    """Print them. With thousands of names doveconf takes seconds, so an observation asks it only where it matters."""
    found = live(Path(pid_file).parent)
    if what == "observe" and found in {"", "no"}:
        return
    file_value = setting(doveconf, main_file, SETTING)
    if what == "observe":
        sys.stdout.write(finding(found, file_value, main_file, theirs=bool(whose)))
        return
    lines = [f"live {found}".strip(), f"file {file_value}".strip()]
    lines += [f"add {main_file}"] if whose else []
    lines += sessions(str(Path(doveconf).with_name("doveadm")), main_file)
    sys.stdout.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main(*sys.argv[1:])

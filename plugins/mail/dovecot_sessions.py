"""Printer of what a reload of dovecot does to its sessions, and of those that there are.

Called as ``python dovecot_sessions.py DOVECONF MAIN_FILE [theirs]``. It prints ``live VALUE`` and ``file VALUE``, both of the
setting shutdown_clients, then ``session NUMBER USER`` for each user who is connected. What decides is the live value: that of the
last reload that dovecot took. Its process "config" tells it (dovecot 2.3); later ones don't, and cut sessions when one of both is
"yes": then ``live unknown`` is printed. With ``theirs`` it prints ``add MAIN_FILE`` too: the administrator's, where the setting
would be added.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

SETTING = "shutdown_clients"
DEFAULT = "yes"
ASKED = b"VERSION\tconfig\t2\t0\nREQ\tmodule=master\n"
"""Settings of the master: no key is among them."""
END = b"\n\n"
SECONDS = 3.0
MOST = 1 << 20
"""Octets of an answer."""


def ask(program: str, *arguments: str) -> str:
    """Return what a program prints; nothing where it fails or isn't installed."""
    try:
        argv = (program, *arguments)
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def setting(doveconf: str, main_file: str, name: str) -> str:
    """Return a setting as the files have it now."""
    return ask(doveconf, "-c", main_file, name).partition("=")[2].strip()


def live(base: Path) -> str:
    """Return what dovecot was given with its last reload; "" where it doesn't run, "unknown" where it doesn't tell."""
    try:
        with socket.socket(socket.AF_UNIX) as config:
            config.settimeout(SECONDS)
            config.connect(str(base / "config"))
            config.sendall(ASKED)
            return value_in(answer(config))
    except OSError:
        return ""


def answer(config: socket.socket) -> bytes:
    """Read up to an empty line, or what is no answer of 2.3."""
    text = b""
    while not text.endswith(END) and len(text) < MOST:
        data = config.recv(65536)
        text += data
        if not data or text.startswith((b"+", b"-")):
            break
    return text


def value_in(text: bytes) -> str:
    """Return the value in an answer: what is as by default isn't in it."""
    if not text.endswith(END):
        return "unknown"
    found = [
        line.partition("=")[2] for line in text.decode(errors="replace").splitlines() if line.startswith(f"{SETTING}=")
    ]
    return (found or [DEFAULT])[-1]


def sessions(doveadm: str, main_file: str) -> list[str]:
    """Return a line for each user and protocol."""
    found = []
    for line in ask(doveadm, "-c", main_file, "-f", "tab", "who").splitlines()[1:]:
        user, number, *_ = (*line.split("\t"), "", "")
        if number.isdigit():
            found.append(f"session {number} {user}")
    return found


def main(doveconf: str, main_file: str, whose: str = "") -> None:
    """Print them."""
    base = setting(doveconf, main_file, "base_dir")
    lines = [
        f"live {live(Path(base)) if base else ''}".strip(),
        f"file {setting(doveconf, main_file, SETTING)}".strip(),
    ]
    lines += [f"add {main_file}"] if whose else []
    lines += sessions(str(Path(doveconf).with_name("doveadm")), main_file)
    sys.stdout.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main(*sys.argv[1:])

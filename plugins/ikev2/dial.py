"""Dialling of a connection between sites: charon does not do it again by itself when it was refused once.

Called as ``python -m plugins.ikev2.dial --socket SOCKET --state FILE --connection NAME DIRECTORY...``. A connection that
is up, or is being dialled, is left alone: another one beside it would be a second IKE SA. Exit code 1: it isn't up, with why.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any

from plugins.ikev2.arguments import parser
from plugins.ikev2.configuration import read
from plugins.ikev2.grammar import Unreadable
from plugins.ikev2.tunnels import Tunnel, tunnels
from plugins.ikev2.vici_socket import plain, session

MILLISECONDS = "5000"
"""For a verdict; a refusal takes some ten (RFC 7296 section 2.21)."""
NOTIFY = re.compile(r"received ([A-Z0-9_]+) notify error")
OURS = re.compile(
    r"no trusted \S+ public key found|constraint check failed|no acceptable |certificate was revoked|was not accepted"
)
"""What charon says when it is this side that refuses."""
UNKNOWN = re.compile(r"no address|unable to resolve|could not be resolved|failed to resolve|unable to initiate")


def main(arguments: Sequence[str] | None = None) -> int:
    """Dial; return the exit code."""
    made = parser("dial", "Dial a connection that is down.")
    made.add_argument("--connection", required=True, help="its name")
    chosen = made.parse_args(arguments)
    try:
        configuration = read([each.resolve() for each in chosen.directories])
        with session(chosen.socket) as charon:
            known = [each for each in tunnels(charon, configuration) if each.name == chosen.connection]
            reason = next((_dialled(charon, each) for each in known), "there is no such connection")
    except Unreadable as error:
        reason = str(error)
    except OSError as error:
        reason = f"charon does not answer: {(error.strerror or str(error)).lower()}"
    if reason:
        sys.stderr.write(f"{reason}\n")
    return 1 if reason else 0


def _dialled(charon: Any, tunnel: Tunnel) -> str:
    """Dial what is down of a connection; return why it stays down."""
    if tunnel.is_up or tunnel.is_beginning:
        return ""
    missing = [each for each in tunnel.begun if each not in tunnel.children]
    return next((reason for each in missing if (reason := _initiated(charon, tunnel.name, each))), "")


def _initiated(charon: Any, connection: str, child: str) -> str:
    from vici.exception import CommandException  # type: ignore[import-untyped]

    said: list[str] = []
    try:
        for event in charon.initiate({"ike": connection, "child": child, "timeout": MILLISECONDS, "loglevel": "1"}):
            said.append(plain(event.get("msg", b"")))
    except CommandException as error:
        return reason_of(said, str(error).removeprefix("Command failed: "))
    return ""


def reason_of(said: Sequence[str], otherwise: str) -> str:
    """Return why a connection was not made, from what charon says of it meanwhile: a clause."""
    for line in said:
        if OURS.search(line):
            return f"this side refuses the other: {line}"
    refusals = [found.group(1) for line in said if (found := NOTIFY.search(line))]
    if refusals:
        return f"the other side refuses it: {refusals[-1]}"
    unknown = next((line for line in said if UNKNOWN.search(line)), "")
    if unknown:
        return unknown
    if any("retransmit" in line for line in said):
        return "the other side does not answer"
    return otherwise


if __name__ == "__main__":
    sys.exit(main())

"""Observation of charon: whether it has what was loaded, and which connections between sites are up.

Called as ``python -m plugins.ikev2.observe --socket SOCKET --state FILE DIRECTORY...``, as `plugins.ikev2.load` is. It changes
nothing. A charon that doesn't answer is told of by those who look at what serves: here its connections are down.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from chainwright import differs_line, state_line
from plugins.ikev2.arguments import parser
from plugins.ikev2.client_authorities import not_named
from plugins.ikev2.configuration import Configuration, read
from plugins.ikev2.grammar import Unreadable
from plugins.ikev2.loaded import Loaded, running
from plugins.ikev2.peers_seen import authenticated_by, without_new_files
from plugins.ikev2.tunnels import Tunnel, tunnels
from plugins.ikev2.vici_socket import session

PATIENCE = 2.0
"""Seconds for a connection that is just being dialled."""
TIMEOUT = 5.0
"""Seconds without a word from charon."""
SHOWN = 3
FIX = "Compare the settings and certificates of both sides; charon's log says more. It is dialled again by itself."


def subject_of(connection: str) -> str:
    """Return what a connection is called among what a service tells of itself."""
    return f"tunnel {connection}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print; return the exit code."""
    chosen = parser("observe", "Tell how charon is.").parse_args(arguments)
    directories = [each.resolve() for each in chosen.directories]
    try:
        configuration = read(directories)
        lines = _lines(chosen.socket, chosen.state, directories, configuration)
    except Unreadable as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def _lines(socket: Path, state: Path, directories: Sequence[Path], configuration: Configuration) -> list[str]:
    try:
        with session(socket, TIMEOUT) as charon:
            loaded = Loaded.read(state)
            seen = {**loaded.seen, **authenticated_by(charon, configuration)}
            return [
                *_differing([*loaded.differences(running(charon), directories)]),
                *(_line(each) for each in _settled(charon, configuration)),
                *without_new_files(configuration, seen),
                *not_named(charon, configuration),
            ]
    except OSError:
        names = [name for name, each in sorted(configuration.connections.items()) if "pools" not in each]
        return [state_line(subject_of(name), "down", "charon does not answer") for name in names]


def _differing(found: Sequence[str]) -> Iterator[str]:
    if found:
        more = f", and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        yield differs_line(f"{'; '.join(found[:SHOWN])}{more}")


def _settled(charon: Any, configuration: Configuration) -> list[Tunnel]:
    """Return the connections, when those that were being dialled have had a moment."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = tunnels(charon, configuration)
        if not any(each.begun and each.is_beginning for each in found) or time.monotonic() >= deadline:
            return found
        time.sleep(0.1)


def _line(tunnel: Tunnel) -> str:
    subject = subject_of(tunnel.name)
    if tunnel.is_up:
        return state_line(subject, "up")
    if not tunnel.begun:
        return state_line(subject, "down", f"{tunnel.why}; the other side begins it")
    return state_line(subject, "down", tunnel.why, severity="warning", fix=FIX, mend=not tunnel.is_beginning)


if __name__ == "__main__":
    sys.exit(main())

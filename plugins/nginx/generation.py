"""Sockets on which nginx shows the generation of a module that its workers run.

nginx has no way to say which configuration its workers run, so the entry has a server on a UNIX socket for each module: a
change of configuration alone is then seen like a new chain.
"""

from __future__ import annotations

from pathlib import Path

from chainwright import Places

SOCKET_PATH_LIMIT = 107
"""Bytes of a UNIX socket's path (unix(7): 108 with the final zero)."""


def generation_socket(places: Places, module: str) -> Path | None:
    """Return where nginx shows the number of `module`'s generation; None when the path would be too long for a socket."""
    path = places.run / f"{module}-generation.sock"
    return path if len(bytes(path)) <= SOCKET_PATH_LIMIT else None

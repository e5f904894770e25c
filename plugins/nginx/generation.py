"""Sockets on which nginx shows the generation of a module that its workers run.

nginx has no way to say which configuration its workers run, so the entry has a server on a UNIX socket for each module: a
change of configuration alone is then seen like a new chain. Each generation has a socket of its own: nginx makes one when it is
reloaded only where it has none of that path, so that one which was deleted under it is replaced with the next generation.
"""

from __future__ import annotations

from pathlib import Path

from chainwright import Places

SOCKET_PATH_LIMIT = 107
"""Bytes of a UNIX socket's path (unix(7): 108 with the final zero)."""


def generation_socket(places: Places, module: str, number: str) -> Path | None:
    """Return where nginx shows the number of `module`'s generation; None when the path would be too long for a socket."""
    path = places.of_generation(module, number, "generation.sock")
    return path if len(bytes(path)) <= SOCKET_PATH_LIMIT else None

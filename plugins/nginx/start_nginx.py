"""Start of nginx after one that was killed and has left its UNIX sockets behind.

nginx removes them when it ends; after SIGKILL, a crash or the OOM killer they stay, and the next start ends in
"bind() failed (98: Address already in use)", while ``nginx -t`` ignores just that. Called as
``python -m plugins.nginx.start_nginx PATTERN... -- PROGRAM ARGUMENT...``, with patterns of the sockets' paths.
"""

from __future__ import annotations

import glob
import os
import socket
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path


def remove_stale(patterns: Iterable[str]) -> None:
    """Remove the sockets that refuse a connection: no process listens there."""
    for path in (Path(each) for pattern in patterns for each in glob.glob(pattern)):  # noqa: PTH207
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            try:
                client.connect(os.fspath(path))
            except ConnectionRefusedError:
                path.unlink(missing_ok=True)
            except OSError:
                continue  # not there, or not ours to remove: nginx will say so


def main(arguments: Sequence[str]) -> None:
    """Clean up, then become the program after ``--``."""
    mark = arguments.index("--")
    remove_stale(arguments[:mark])
    program = list(arguments[mark + 1 :])
    os.execvp(program[0], program)  # noqa: S606 - an argument list, no shell


if __name__ == "__main__":
    main(sys.argv[1:])

"""Confirmation that the workers of nginx run an entry, as its sockets tell (`plugins.nginx.generation`).

Called as ``python confirm.py NUMBER SOCKET``; ends with 0 when the entry of that number answers there. Imports nothing of ours:
started by path, it is there at once.
"""

from __future__ import annotations

import json
import socket
import sys
from http.client import HTTPConnection, HTTPException

TIMEOUT = 5.0
"""Seconds."""
LARGEST_ANSWER = 4096
"""Octets."""


def entry_at(path: str) -> object:
    """Return the number of the entry that answers at a UNIX socket. Raises OSError, HTTPException, ValueError, KeyError."""
    connection = HTTPConnection("localhost", timeout=TIMEOUT)
    with socket.socket(socket.AF_UNIX) as stream:
        stream.settimeout(TIMEOUT)
        stream.connect(path)
        connection.sock = stream
        connection.request("GET", "/generation", headers={"Connection": "close"})
        return json.loads(connection.getresponse().read(LARGEST_ANSWER))["entry"]


def main(number: str, path: str) -> None:
    """Compare."""
    try:
        found = entry_at(path)
    except (OSError, HTTPException, ValueError, KeyError) as error:
        sys.exit(f"error: {path} does not tell which entry nginx runs ({type(error).__name__}: {error})")
    if str(found) != number:
        sys.exit(f"error: nginx runs entry {found} instead of {number}")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The pipe between the supervisor and its pass process: messages as lines of JSON, both ways."""

from __future__ import annotations

import contextlib
import json
import socket
from threading import Lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PIECE = 65536
"""Octets that are read at once."""

Message = dict[str, "Any"]
LAST_WORDS: Message = {"ends": True}
"""What a process says that ends of its own accord: exit code 0 proves nothing, as a plugin can call `os._exit`."""


class Channel:
    """One end of the pipe."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._lock = Lock()
        self._rest = b""
        self.over = False
        """Whether the other end is closed."""

    def fileno(self) -> int:
        """Return the descriptor, to wait for."""
        return self._end.fileno()

    def send(self, **message: object) -> None:
        """Send a message; one to an end that is closed is lost. Any thread may do so."""
        with contextlib.suppress(OSError), self._lock:
            self._end.sendall(json.dumps(message).encode() + b"\n")

    def received(self) -> list[Message]:
        """Return the messages that have come, without waiting."""
        while not self.over:
            try:
                piece = self._end.recv(PIECE, socket.MSG_DONTWAIT)
            except BlockingIOError:
                break
            except OSError:
                piece = b""
            self.over = not piece
            self._rest += piece
        *lines, self._rest = self._rest.split(b"\n")
        return [json.loads(line) for line in lines]

    def close(self) -> None:
        """Close this end."""
        self._end.close()

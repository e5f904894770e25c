"""UNIX sockets of the agent in ``run/``, bound again where somebody has removed them."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

SOCKET_PATH_LIMIT = 107
"""Octets (unix(7): 108 with the final zero)."""


class BoundSocket:
    """A socket at a path that only its owner may write to. The caller knows that no other process has one there."""

    def __init__(self, path: Path, kind: socket.SocketKind = socket.SOCK_DGRAM) -> None:
        """Bind it, in a directory that is made where it is missing. Raises `SocketPathTooLong` and `StateUnwritable`."""
        self.path = path
        self.socket = _bound(path, kind)
        self._file = path.lstat()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.lost:
            self.path.unlink(missing_ok=True)
        self.socket.close()

    @property
    def lost(self) -> bool:
        """Whether somebody has removed it, or its directory, or put something else in its place: nobody can reach it."""
        try:
            return not os.path.samestat(self.path.lstat(), self._file)
        except OSError:
            return True

    def again(self) -> BoundSocket | None:
        """Return another one in its place; None: there can't be one now."""
        from agent.errors.store import StateUnwritable

        with contextlib.suppress(StateUnwritable):
            return BoundSocket(self.path, socket.SocketKind(self.socket.type))
        return None


def _bound(path: Path, kind: socket.SocketKind) -> socket.socket:
    if len(os.fsencode(path)) > SOCKET_PATH_LIMIT:
        from agent.errors.store import SocketPathTooLong

        raise SocketPathTooLong(str(path))
    listener = socket.socket(socket.AF_UNIX, kind)
    try:
        _make(path.parent)
        os.fchmod(listener.fileno(), 0o600)  # Linux gives it to the file in the same step as it makes it
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        from agent.errors.store import StateUnwritable

        raise StateUnwritable(str(path), (error.strerror or str(error)).lower()) from error
    return listener


def _make(directory: Path) -> None:
    if not directory.is_dir():
        from agent.system.writing import make_directory  # what it needs is not to be in memory for the whole time

        directory.parent.mkdir(parents=True, exist_ok=True)
        make_directory(directory, mode=0o755)

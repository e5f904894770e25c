"""Connections on which an answer has to be complete in time: the time-out of a socket begins again with each byte."""

from __future__ import annotations

import io
import socket
import time
from functools import partial
from http.client import HTTPResponse
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

ANSWER_TIMEOUT = 60.0
"""Seconds for an answer, its headers included."""


class AnswerTooSlow(TimeoutError):
    """An answer is still not complete when its time is over, so many `seconds`."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"no complete answer within {seconds:g} s")


class _TimedReader(io.RawIOBase):
    """Bytes of a socket until an instant of the monotonic clock. Raises `AnswerTooSlow`."""

    def __init__(self, sock: socket.socket, seconds: float) -> None:
        super().__init__()
        self._socket = sock
        self._reader = sock.makefile("rb", buffering=0)
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise AnswerTooSlow(self._seconds)
        pause = self._socket.gettimeout()
        if pause is not None and pause <= left:
            return self._reader.readinto(buffer)
        self._socket.settimeout(left)
        try:
            return self._reader.readinto(buffer)
        except TimeoutError:
            raise AnswerTooSlow(self._seconds) from None
        finally:
            self._socket.settimeout(pause)  # the connection may be used again

    def close(self) -> None:
        if not self.closed:
            self._reader.close()
        super().close()


class _TimedResponse(HTTPResponse):
    """An answer, and that of a proxy to CONNECT."""

    def __init__(self, sock: socket.socket, *args: Any, seconds: float, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp.close()
        self.fp = io.BufferedReader(_TimedReader(sock, seconds))


def with_deadline(manager: PoolManager, seconds: float) -> None:
    """Give the answer to each request on the connections of `manager` so many seconds."""
    answer = partial(_TimedResponse, seconds=seconds)

    class Http(HTTPConnection):
        response_class = staticmethod(answer)  # type: ignore[assignment]

    class Https(HTTPSConnection):
        response_class = staticmethod(answer)  # type: ignore[assignment]

    class HttpPool(HTTPConnectionPool):
        ConnectionCls = Http

    class HttpsPool(HTTPSConnectionPool):
        ConnectionCls = Https

    manager.pool_classes_by_scheme = {"http": HttpPool, "https": HttpsPool}

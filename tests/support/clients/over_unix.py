"""`requests` over a UNIX socket."""

from __future__ import annotations

import socket
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

BASE = "http://agent"


class _Connection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("agent")
        self._path = path

    def _new_conn(self) -> socket.socket:
        plain = socket.socket(socket.AF_UNIX)
        plain.settimeout(40)
        plain.connect(str(self._path))
        return plain


class _Pool(HTTPConnectionPool):
    def __init__(self, path: Path) -> None:
        super().__init__("agent")
        self._path = path

    def _new_conn(self) -> _Connection:
        return _Connection(self._path)


class _Adapter(HTTPAdapter):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._pool = _Pool(path)

    def get_connection_with_tls_context(self, *_: object, **__: object) -> _Pool:
        return self._pool

    def close(self) -> None:
        self._pool.close()


def session_over(path: Path, headers: dict[str, str]) -> requests.Session:
    """Return a session for addresses that begin with `BASE`."""
    session = requests.Session()
    session.trust_env = False
    session.headers = headers
    session.mount(BASE, _Adapter(path))
    return session

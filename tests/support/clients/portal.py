"""Clients of a captive portal on a real nginx, and the server behind it."""

import json
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

from plugins.web_auth import WebAuth
from support.ports import free_port

DOMAIN = "portal.example.test"
CAPTIVE = {"captive": True, "user-portal-url": f"https://{DOMAIN}/", "seconds-remaining": 60}


def authorize(connection: socket.socket) -> None:
    """Answer as an authorization backend does: the API, and a form whose password is "right"."""
    head, body = _read(connection)
    if head.startswith(b"GET /captive-portal/api "):
        text = json.dumps({**CAPTIVE, "client": _header(head, b"x-real-ip")})
        _answer(connection, "200 OK", text, "Content-Type: text/plain", "Cache-Control: max-age=3600")
    elif head.startswith(b"POST /login "):
        where = "/done" if b"password=right" in body else "/failed"
        _answer(connection, "303 See Other", "", f"Location: {where}", "Content-Security-Policy: default-src *")
    else:
        _answer(connection, "200 OK", head.decode())


def _read(connection: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return b"", b""
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(_header(head, b"content-length") or 0)
    while len(body) < length and (chunk := connection.recv(65536)):
        body += chunk
    return head, body


def _header(head: bytes, name: bytes) -> str:
    found = re.search(rb"(?i)\r\n" + name + rb": ([^\r]*)", head + b"\r\n")
    return found[1].decode() if found else ""


def _answer(connection: socket.socket, status: str, text: str, *headers: str) -> None:
    body = text.encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    connection.sendall("\r\n".join(lines).encode() + body)


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    headers: Mapping[str, str]
    body: str


def portal(backend: int, **more) -> WebAuth:
    """Return the settings of a portal on free ports."""
    where = {"listen": f"127.0.0.1:{free_port()}", "listen_http": f"127.0.0.1:{free_port()}"}
    return WebAuth(**{"domain": DOMAIN, "upstream": f"http://127.0.0.1:{backend}", **where, **more})


def ask(port: int, path: str = "/", *, method: str = "GET", host: str = DOMAIN, body: str = "") -> Answer:
    """Ask over HTTPS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), 20) as plain,
        context.wrap_socket(plain, server_hostname=host) as tls,
    ):
        return _exchange(tls, method, path, host, body)


def ask_plainly(port: int, path: str = "/", *, host: str | None = DOMAIN) -> Answer:
    """Ask over HTTP; without a host in HTTP/1.0, as old devices do."""
    with socket.create_connection(("127.0.0.1", port), 20) as plain:
        return _exchange(plain, "GET", path, host, "")


def _exchange(stream: socket.socket, method: str, path: str, host: str | None, body: str) -> Answer:
    head = [f"{method} {path} HTTP/1.{0 if host is None else 1}", "Connection: close"]
    head += [f"Host: {host}"] if host is not None else []
    head += [f"Content-Length: {len(body)}", "Content-Type: application/x-www-form-urlencoded"] if body else []
    stream.sendall(("\r\n".join([*head, "", ""]) + body).encode())
    with stream.makefile("rb") as answer:
        raw = answer.read()
    top, _, rest = raw.partition(b"\r\n\r\n")
    lines = top.decode().split("\r\n")
    pairs = [line.split(": ", 1) for line in lines[1:]]
    assert len({name.lower() for name, _ in pairs}) == len(pairs), f"a header twice: {lines}"
    return Answer(int(lines[0].split()[1]), {name.lower(): value for name, value in pairs}, rest.decode())

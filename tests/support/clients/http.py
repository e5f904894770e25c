"""Clients of a reverse proxy on a real nginx, and the upstream behind it."""

import re
import socket
import ssl
import subprocess

from plugins.reverse_proxy import ReverseProxy
from support.appliances.staged import http
from support.ports import free_port

THREE = ({"domains": ["a.example.com", "www.a.example.com"]}, {"domains": ["*.b.example.com"]}, {"domains": ["c.test"]})


def answer(connection: socket.socket) -> None:
    """Echo the head, as text, and swallow a body; a WebSocket upgrade is accepted, and then bytes are echoed."""
    head = b""
    while b"\r\n\r\n" not in head:
        chunk = connection.recv(4096)
        if not chunk:
            return
        head += chunk
    if b"upgrade: websocket" in head.lower():
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        while data := connection.recv(4096):
            connection.sendall(data)
    else:
        head, _, body = head.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        left = int(length[1]) - len(body) if length else 0
        while left > 0 and (chunk := connection.recv(65536)):
            left -= len(chunk)
        head += b"\r\n"
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(head) + head)


def proxy(upstream: int, *sites: dict, **more) -> ReverseProxy:
    where = {"listen": f"127.0.0.1:{free_port()}", "listen_http": f"127.0.0.1:{free_port()}"}
    full = [{"upstream": f"http://127.0.0.1:{upstream}", **site} for site in sites]
    return ReverseProxy(sites=full, **{**where, **more})


def s_client(module: ReverseProxy, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = ["openssl", "s_client", "-connect", str(module.listen[0]), *arguments]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)


def presented(module: ReverseProxy, *arguments: str) -> bytes | None:
    """Return the leaf that openssl is given; None when the handshake is refused."""
    text = s_client(module, *arguments).stdout.decode(errors="replace")
    found = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", text, re.DOTALL)
    return ssl.PEM_cert_to_DER_cert(found[0]) if found else None


def connect(module: ReverseProxy, server_name: str | None, alpn: str = "http/1.1") -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([alpn])
    raw = socket.create_connection((module.listen[0].host, module.listen[0].port), 20)
    return context.wrap_socket(raw, server_hostname=server_name)


def ask(
    module: ReverseProxy, host: str, path: str = "/", headers: dict | None = None, *, sni: str | None = None
) -> str:
    with connect(module, sni or host) as stream:
        return http(stream, path, host, headers)


def ask_plainly(module: ReverseProxy, host: str, path: str = "/") -> str:
    with socket.create_connection((module.listen_http[0].host, module.listen_http[0].port), 20) as stream:
        return http(stream, path, host)


def status_of(text: str) -> int:
    return int(text.split()[1])

"""(i) Requests through the reverse proxy, beside nginx with a plain `proxy_pass`, and the upstream itself.

The upstream is another nginx, over HTTP and HTTPS; a client sends its requests one after the other on kept connections.
python bench/proxying.py [REQUESTS] [TIMES]
"""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance import NGINX, Appliance, appliance, free_port, interleaved, process, site, stop, wait_for
from bare_ca import pair

A_CONNECTION = 500
"""Requests on one connection: nginx closes it after a thousand."""
CONFIGURATION = """
worker_processes 1;
pid {root}/hand.pid;
error_log {root}/hand.log;
events {{ }}
http {{
    access_log off;
    proxy_temp_path {root}/proxy;
    client_body_temp_path {root}/body;
    server {{
        listen 127.0.0.1:{http};
        listen 127.0.0.1:{https} ssl;
        ssl_certificate {root}/chain.pem;
        ssl_certificate_key {root}/key.pem;
        location / {{ return 200 "hello\\n"; }}
    }}
    server {{
        listen 127.0.0.1:{plain};
        location / {{ proxy_http_version 1.1; proxy_pass http://127.0.0.1:{http}; }}
        location /tls/ {{ proxy_http_version 1.1; proxy_pass https://127.0.0.1:{https}; }}
    }}
}}
"""


@contextmanager
def by_hand(root: Path) -> Iterator[dict[str, int]]:
    """Run the upstream and a proxy with a plain `proxy_pass` before it; give their ports."""
    ports = {name: free_port() for name in ("http", "https", "plain")}
    key, chain, _ = pair("upstream.example.test")
    (root / "key.pem").write_bytes(key)
    (root / "chain.pem").write_bytes(chain)
    configuration = root / "hand.conf"
    configuration.write_text(CONFIGURATION.format(root=root, **ports))
    subprocess.run([NGINX, "-e", "stderr", "-c", configuration], check=True)
    try:
        yield ports
    finally:
        stop(int((root / "hand.pid").read_text()))


def requests(port: int, path: str, count: int, host: str = "upstream.example.test") -> Callable[[], None]:
    """Return a call that sends requests and reads the answers, one after the other."""
    head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()

    def on_one_connection(left: int) -> None:
        with socket.create_connection(("127.0.0.1", port), 10) as stream:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(left):
                stream.sendall(head)
                answer = stream.recv(4096)
                if not (answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(b"hello\n")):
                    sys.exit(f"port {port} answered {answer[:60]!r}")

    def run() -> None:
        for begun in range(0, count, A_CONNECTION):
            on_one_connection(min(A_CONNECTION, count - begun))

    return run


def configure(made: Appliance, ports: dict[str, int]) -> int:
    """Configure a site before each of the upstream's ports, over plain HTTP too; return that port."""
    made.proxy(0, start=True)
    table = '[[modules.reverse_proxy.sites]]\ndomains = ["{}"]\nupstream = "{}://127.0.0.1:{}"\nredirect = false\n'
    sites = [table.format(site(number), kind, ports[kind]) for number, kind in enumerate(("http", "https"))]
    text = made.etc / "chainwright.toml"
    text.write_text(text.read_text().replace("worker_processes = 2", "worker_processes = 1") + "\n" + "".join(sites))
    process(*made.command("apply"))()
    return made.plain_port


def main(count: int, times: int) -> None:
    with appliance() as made, by_hand(made.root.parent) as ports:
        port = configure(made, ports)
        runs = {
            "the upstream itself": requests(ports["http"], "/", count),
            "http, a plain proxy_pass": requests(ports["plain"], "/", count),
            "http, a site": requests(port, "/", count, site(0)),
            "https, a plain proxy_pass": requests(ports["plain"], "/tls/", count),
            "https, a site": requests(port, "/", count, site(1)),
        }
        for run in runs.values():
            wait_for(run)
        taken = interleaved(times, **runs)
    print(f"{'a request to':<28} {'median':>10}")
    for name, each in taken.items():
        print(f"{name:<28} {each.wall / count * 1e6:7.0f} us")


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:]]
    main(*(given or [2000])[:1], *(given[1:] or [9]))

"""(g) The page with many chains: first byte, size, and memory of agent and web interface beside Caddy with as many names.

python bench/webui.py [CHAINS]        Caddy is left out where it isn't installed: apt-get install caddy
"""

import http.client
import socket
import ssl
import statistics
import subprocess
import sys
import time
from urllib.parse import urlencode

from appliance import Appliance, appliance, wait_for
from idle import appliance_running, children, pss, show, show_caddy, show_idle, until

TIMES = 25
PASSWORD = "a long pass phrase"
LONGEST = 120
LOOKS = 9
FORGOTTEN = 1.5
"""Seconds after which the API reads the store again, though nothing was written."""


class Page:
    """The web interface, with a fresh connection for each page, like a browser's first."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE
        self._cookie = ""

    def log_in(self) -> None:
        form = urlencode({"user": "admin", "password": PASSWORD})
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
        connection = http.client.HTTPSConnection("localhost", self._port, timeout=LONGEST, context=self._context)
        connection.request("POST", "/login", form, headers)
        self._cookie = (connection.getresponse().headers["set-cookie"] or "").partition(";")[0]
        connection.close()

    def ask(self, path: str) -> tuple[float, float, bytes]:
        """Return the seconds until the first byte and until the last one, handshake included, and the page."""
        begin = time.perf_counter()
        with (
            socket.create_connection(("127.0.0.1", self._port), timeout=LONGEST) as plain,
            self._context.wrap_socket(plain, server_hostname="localhost") as stream,
        ):
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as browsers do
            request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {self._cookie}\r\nConnection: close\r\n\r\n"
            stream.sendall(request.encode())
            answer = stream.recv(1)
            first = time.perf_counter() - begin
            while part := stream.recv(65536):
                answer += part
        assert answer.startswith(b"HTTP/1.1 200"), answer[:300]
        return first, time.perf_counter() - begin, answer.partition(b"\r\n\r\n")[2]


def look(made: Appliance, chains: int, port: int) -> None:
    """Measure on one appliance."""
    with appliance_running(made) as (agent, web):
        password = subprocess.Popen(
            made.command("webui", "password", "--stdin"), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        password.communicate(PASSWORD.encode())
        page = Page(port)
        wait_for(page.log_in)
        until(lambda: f">{chains + 1}<".encode() in page.ask("/certificates")[2])
        times(page)
        show("agent + its processes + web interface, in use", sum(map(pss, [agent, web, *children(agent)])))
        show_idle(agent, web)


def times(page: Page) -> None:
    """Print the times of the pages: the first one after a while, and then consecutive ones."""
    taken = []
    for _ in range(LOOKS):
        time.sleep(FORGOTTEN)
        taken.append(page.ask("/certificates")[0])
    print(f"{'/certificates after a while':<42} {statistics.median(taken) * 1000:6.0f} ms first byte")
    for path in ("/generation", "/certificates", "/certificates?view=modules", "/certificates?filter=s99&attention=1"):
        taken = [page.ask(path) for _ in range(TIMES)]
        first, last = (statistics.median(each[at] for each in taken) * 1000 for at in (0, 1))
        print(f"{path:<42} {first:6.0f} ms first byte {last:6.0f} ms last byte {len(taken[0][2]) / 1000:8.1f} kB")


def main(chains: int) -> None:
    for count in (1, chains):
        print(f"{count} chains beside the web interface's own")
        with appliance() as made:
            look(made, count, made.page(count))
        show_caddy(count)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)

"""The demo as a process, as its user sees it; called as a program it is the demo with ports that no other test takes."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

HERE = Path(__file__)
sys.path.insert(0, str(HERE.parents[2]))  # for those who call it as a program

from agent.demo.ports import Place
from agent.demo.processes import end_all
from agent.system.layout import Layout
from support.ports import free_port
from support.processes import prepared
from support.waiting import until

SITES = ["intranet", "shop", "www"]
NOHUP = "TEST_NOHUP"
"""In the environment: leave SIGHUP as it was found."""


@dataclass
class Demo:
    """One directory, and the demos that run on it."""

    root: Path
    nginx: str = "nginx"
    """Name of the program; another one: a machine without nginx."""
    environment: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = (sys.executable, "-P", "-m", "agent")
    pebble: str = "no-such-pebble"
    """Name of the program; "pebble": a machine that has it."""
    sstpd: str = "no-such-sstpd"
    """Name or path of the program; another one: a machine without sstp-server."""
    charon: str = "no-such-charon"
    """Name of the program; "charon-systemd": a machine that has strongSwan."""
    postfix: str = ""
    """Name of the program; empty: mail is not among what the demo offers."""
    before: tuple[str, ...] = ()
    """Command that starts the demo in its place, as nohup(1)."""
    outputs: int = 0

    def __post_init__(self) -> None:
        self.layout = Layout(self.root)
        self.port = free_port()

    @contextmanager
    def up(self, *arguments: str) -> Iterator[DemoProcess]:
        """Run it until the guide stands there; what is left of it in the end is ended."""
        self.outputs += 1
        output = self.root.parent / f"{self.root.name}-{self.outputs}.out"
        process = DemoProcess(self, self.start(output, *arguments), output)
        try:
            until(lambda: process.over or "\nCtrl-C" in process.text, seconds=60, what="the guide")
            yield process
        finally:
            process.process.kill()
            process.process.wait()
            end_all(self.layout)  # not killed: an nginx without its master goes on serving

    def start(self, output: Path, *arguments: str) -> subprocess.Popen[bytes] | prepared.Process:
        options = {"env": {**os.environ, **self.environment}, "cwd": self.root.parent, "stdin": subprocess.DEVNULL}
        command = self.demo_command(*arguments)
        with output.open("wb") as file:
            if command[0] == sys.executable:
                return prepared.start(command[1:], stdout=file, stderr=file, **options)
            return subprocess.Popen(command, stdout=file, stderr=file, **options)

    def demo_command(self, *arguments: str) -> list[str]:
        """Return this file as a program; its arguments are the directory, programs, and the port if one is asked for."""
        programs = (self.nginx, self.pebble, self.sstpd, self.charon, self.postfix)
        return [*self.before, sys.executable, str(HERE), "demo", str(self.root), *programs, *arguments]

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command on the demo's state to its end."""
        command = [*self.command, "--root", str(self.root), *arguments]
        if command[0] == sys.executable:
            return prepared.run(command[1:], cwd=self.root.parent)
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=self.root.parent)

    def processes(self) -> list[int]:
        """Return the processes whose command line names the demo's directory, other than the demo."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes()
            except OSError:
                continue
            if str(self.root).encode() in words and b"\0demo\0" not in words:
                found.append(int(path.parent.name))
        return found

    def fetch(self, url: str, trust: Path | None = None) -> str:
        """Ask for a page, trusting nothing but the roots of the demo, or those in `trust`; every name is on this machine."""
        context = ssl.create_default_context(cafile=trust or self.root / "roots.pem")
        scheme, _, rest = url.partition("://")
        host, _, port = rest.strip("/").partition(":")
        request = urllib.request.Request(f"{scheme}://{host}:{port}/")
        opener = urllib.request.build_opener(_Here(context), urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=20) as answer:
            return answer.read().decode()


class _Here(urllib.request.HTTPSHandler):
    """Connects to this machine, whatever the name."""

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(context=context)
        self._ours = context

    def https_open(self, request: urllib.request.Request):
        import http.client
        import socket

        class Connection(http.client.HTTPSConnection):
            def connect(self) -> None:
                plain = socket.create_connection(("127.0.0.1", self.port), timeout=20)
                self.sock = self._context.wrap_socket(plain, server_hostname=self.host)

        return self.do_open(Connection, request, context=self._ours)


@dataclass
class DemoProcess:
    """One run."""

    demo: Demo
    process: subprocess.Popen[bytes] | prepared.Process
    output: Path

    @property
    def text(self) -> str:
        return self.output.read_text()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def over(self) -> bool:
        return self.process.poll() is not None

    def urls(self, module: str) -> list[str]:
        """Return the addresses that the guide names for a module."""
        return next((line.split()[1:] for line in self.lines if line.startswith(f"  {module} ")), [])

    def curls(self) -> list[str]:
        return [line.strip() for line in self.lines if line.startswith("  curl ")]

    def ends(self, number: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(60)


def _main(root: str, nginx: str, pebble: str, sstpd: str, charon: str, postfix: str, port: str = "") -> int:
    from agent.demo import demo
    from agent.demo.ca import PEBBLE
    from agent.demo.modules import OFFERS

    if os.environ.get(NOHUP) is None:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # whoever runs the tests may have been called by nohup(1)

    def free(places: Iterable[Place]) -> tuple[Place, ...]:
        return tuple(replace(place, port=free_port()) for place in places)

    known = {each.module: each for each in OFFERS}
    proxy = replace(known["reverse_proxy"], program=nginx, places=free(known["reverse_proxy"].places))
    shared, own = proxy.places[:2], free(known["web_auth"].places[2:])  # one nginx, one address
    vpn = replace(known["sstp"], program=sstpd, places=free(known["sstp"].places))
    road = replace(known["ikev2"], program=charon, places=free(known["ikev2"].places))
    offers = [proxy, replace(known["web_auth"], program=nginx, places=(*shared, *own)), road, vpn]
    if postfix:
        offers.append(replace(known["mail"], program=postfix, places=free(known["mail"].places)))
    ca = replace(PEBBLE, program=pebble, places=free(PEBBLE.places))
    return demo(Layout(Path(root)), int(port) if port else None, offers=offers, ca=ca)


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[2:]))

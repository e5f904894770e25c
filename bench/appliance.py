"""An appliance in a directory of its own, and processes that are timed one after the other in the same run."""

import os
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PROGRAM = Path(sys.executable).with_name("chainwright")
NGINX = "/usr/sbin/nginx"
NOTHING = (sys.executable, "-c", "pass")


class Appliance:
    """A directory as root of an appliance."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.etc = root / "etc/chainwright"
        self.plain_port = 0
        (self.etc / "plugins").mkdir(parents=True)

    def settings(self, *parts: str) -> None:
        (self.etc / "chainwright.toml").write_text("\n".join(('hostname = "gw"', *parts)))

    def toy(self, needs: int) -> None:
        """Configure one module with `needs` needs, each with an endpoint and a file of its own."""
        shutil.copy(HERE / "toy.py", self.etc / "plugins")
        self.settings(f"[modules.toy]\ncount = {needs}")

    def page(self, needs: int) -> int:
        """Configure the same beside the web interface, and return its port."""
        self.toy(needs)
        port = free_port()
        text = self.etc / "chainwright.toml"
        text.write_text(
            f'{text.read_text()}\n[modules.webui]\nlisten = "127.0.0.1:{port}"\nrun_as = "root"\n'
            '[services.webui]\nmanager = "commands"\n'
        )
        return port

    def proxy(self, sites: int, *, start: bool) -> int:
        """Configure a reverse proxy with so many sites on an nginx of its own, and return its port.

        Without `start` nginx is one that isn't installed, so that none of its time is in what is measured.
        """
        tls = free_port()
        self.plain_port = plain = free_port()
        table = '[[modules.reverse_proxy.sites]]\ndomains = ["{}"]\nupstream = "http://127.0.0.1:9"'
        self.settings(
            f'[services.nginx]\nmain = "own"\nmanager = "commands"\nstart = {str(start).lower()}\nworker_processes = 2\n'
            f'binary = "{NGINX if start else "/nowhere/nginx"}"',
            f'[modules.reverse_proxy]\nlisten = ["127.0.0.1:{tls}"]\nlisten_http = ["127.0.0.1:{plain}"]',
            *(table.format(site(number)) for number in range(sites)),
        )
        return tls

    def command(self, *words: str) -> tuple[str, ...]:
        return (str(PROGRAM), *words, "--root", str(self.root))


def site(number: int) -> str:
    return f"s{number}.example.test"


@contextmanager
def appliance() -> Iterator[Appliance]:
    """Make one, and stop its nginx at the end."""
    with tempfile.TemporaryDirectory(prefix="chainwright-bench-") as directory:
        made = Appliance(Path(directory) / "a")
        try:
            yield made
        finally:
            for pid_file in Path(directory).glob("*/run/chainwright/*.pid"):
                stop(int(pid_file.read_text()))


def stop(pid: int) -> None:
    os.kill(pid, signal.SIGTERM)
    while Path(f"/proc/{pid}").exists() and "zombie" not in Path(f"/proc/{pid}/status").read_text():
        time.sleep(0.05)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(call: Callable[[], object]) -> None:
    """Call until it no longer raises OSError, for a minute."""
    deadline = time.monotonic() + 60
    while True:
        try:
            call()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def timed(run: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def process(*argv: str) -> Callable[[], None]:
    """Return a call that runs a process, which must succeed."""

    def run() -> None:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(argv)} ended with {done.returncode}: {done.stderr[:2000]}")

    return run


@dataclass(frozen=True)
class Prepared:
    """A timed call with a preparation that is not timed."""

    prepare: Callable[[], object]
    run: Callable[[], object]

    def __call__(self) -> object:
        return self.run()


@dataclass(frozen=True)
class Taken:
    """Medians, in seconds."""

    wall: float
    cpu: float
    """CPU seconds of this process and of the children that it waited for."""


def interleaved(times: int, **runs: Callable[[], object]) -> dict[str, Taken]:
    """Return what each call takes; they run alternately, so that a busy moment affects all."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for _ in range(times):
        for name, run in runs.items():
            if isinstance(run, Prepared):
                run.prepare()
            before = cpu()
            wall = timed(run)
            taken[name].append((wall, cpu() - before))
    return {
        name: Taken(statistics.median(wall for wall, _ in each), statistics.median(used for _, used in each))
        for name, each in taken.items()
    }


def cpu() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def head(title: str, base: str) -> None:
    print(f"{title:<38}   median   against {base}   CPU")


def row(label: str, taken: Taken, base: Taken) -> None:
    print(
        f"{label:<38} {taken.wall * 1000:8.0f} ms {taken.wall / base.wall:6.2f} x"
        f" {taken.cpu * 1000:14.0f} ms {taken.cpu / base.cpu:6.2f} x"
    )

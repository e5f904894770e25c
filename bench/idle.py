"""What an idle appliance takes: memory (PSS) of agent and web interface, and their CPU, beside Caddy with as many names."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance import Appliance, cpu, free_port, process, site

LONGEST = 180
"""Seconds that something is waited for: a process that makes passes goes on for a minute, and that of the API as well."""
SETTLED = 75
"""Seconds after which Caddy is idle, too."""
DAY = 24 * 60
PASSES = 12
"""In a day, in which every endpoint is looked at."""
CADDY = """\
{{
    admin off
    local_certs
    skip_install_trust
    http_port {plain}
    https_port {tls}
    storage file_system {storage}
}}
{names} {{
    respond "."
}}
"""


def pss(pid: int) -> float:
    """Return the proportional share of a process in MiB, 0 when it has ended."""
    return _memory(pid, "Pss:")


def alone(*pids: int) -> float:
    """Return what processes take where nobody shares a library with them: their own pages, and each file that is mapped once."""
    own = sum(_memory(pid, "Anonymous:") for pid in pids)
    return own + sum(max(each) for each in _files(pids).values()) / 1024


def _memory(pid: int, word: str) -> float:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    lines = (line for line in text.splitlines() if line.startswith(word))
    return int(next(lines, "0 0").split()[1]) / 1024


def _files(pids: tuple[int, ...]) -> dict[str, list[int]]:
    """Return the pages in KiB that each process has of each file, without those that are its own."""
    found: dict[str, list[int]] = {}
    for pid in pids:
        own: dict[str, int] = {}
        name = ""
        for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
            word, *rest = line.split()
            if not word.endswith(":"):
                name = rest[-1] if len(rest) > 4 else ""
            elif word in {"Rss:", "Anonymous:"} and name.startswith("/"):
                own[name] = own.get(name, 0) + int(rest[0]) * (1 if word == "Rss:" else -1)
        for file, size in own.items():
            found.setdefault(file, []).append(size)
    return found


def seconds_of(pid: int) -> float:
    """Return the CPU seconds of a process and of the children that it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """Return the children of a process."""
    return [
        int(each) for task in Path(f"/proc/{pid}/task").iterdir() for each in (task / "children").read_text().split()
    ]


def show(label: str, amount: float, unit: str = "MiB") -> None:
    """Print one figure."""
    print(f"{label:<46} {amount:10.1f} {unit}", flush=True)


def until(found: object) -> None:
    """Wait until a call returns something."""
    deadline = time.monotonic() + LONGEST
    while not found():  # type: ignore[operator]
        if time.monotonic() > deadline:
            sys.exit(f"not within {LONGEST} s: {found}")
        time.sleep(0.1)


@contextmanager
def running(*argv: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process until the end of the context."""
    nothing = subprocess.DEVNULL
    with subprocess.Popen(argv, stdin=nothing, stdout=nothing, stderr=nothing) as started:
        try:
            yield started
        finally:
            started.send_signal(signal.SIGTERM)


@contextmanager
def appliance_running(made: Appliance) -> Iterator[tuple[int, int]]:
    """Run agent and web interface of an appliance that has a page; yield their numbers."""
    with running(*made.command("run")) as agent:
        until((made.root / "var/lib/chainwright/modules/webui/live").exists)
        with running(*made.command("webui", "--pid-file", str(made.root / "run/chainwright/webui.pid"))) as web:
            yield agent.pid, web.pid


def show_idle(agent: int, web: int, label: str = "") -> None:
    """Print the memory of both, when the agent has no process left that it has started."""
    until(lambda: not children(agent))
    until(lambda: "plugins.webui" in Path(f"/proc/{web}/cmdline").read_text().split("\0"))
    show(f"agent, idle{label}", pss(agent))
    show(f"web interface, idle{label}", pss(web))
    show(f"both, idle{label}", pss(agent) + pss(web))
    show(f"both, idle, where nobody shares a library{label}", alone(agent, web))


def show_cpu(made: Appliance, agent: int, web: int, minutes: float) -> None:
    """Print the CPU of a day, from so many minutes of it: the looks in them are counted, and the passes of a day added."""
    before, begin = seconds_of(agent) + seconds_of(web), time.monotonic()
    time.sleep(minutes * 60)
    until(lambda: not children(agent))
    passed = (time.monotonic() - begin) / 60
    used = seconds_of(agent) + seconds_of(web) - before
    was = cpu()
    process(*made.command("apply", "--look"))()
    one = cpu() - was
    show(f"CPU in {passed:.1f} minutes, looks included", used, "s")
    show("CPU of a pass that looks at everything", one, "s")
    show(f"CPU of a day, with {PASSES} such passes", used * DAY / passed + PASSES * one, "s")


def show_caddy(chains: int) -> None:
    """Print the memory of Caddy after it has made as many chains, which it serves."""
    program = shutil.which("caddy")
    if program is None:
        print("there is no Caddy on this machine to compare with: apt-get install caddy")
        return
    with tempfile.TemporaryDirectory(prefix="chainwright-bench-") as directory:
        settings = Path(directory) / "Caddyfile"
        names = ", ".join(site(number) for number in range(chains))
        settings.write_text(
            CADDY.format(plain=free_port(), tls=free_port(), storage=f"{directory}/storage", names=names)
        )
        with running(program, "run", "--config", str(settings), "--adapter", "caddyfile") as started:
            until(lambda: len(list(Path(directory).glob("storage/certificates/*/*/*.crt"))) >= chains)
            time.sleep(SETTLED)
            show(f"caddy, idle, {chains} names", pss(started.pid))

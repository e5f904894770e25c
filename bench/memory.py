"""(d) Memory: the peak of each command, and of an idle appliance beside Caddy (PSS, MiB); and the CPU of its day.

python bench/memory.py [--minutes MINUTES] [--idle] [CHAINS]

MINUTES: how long an idle appliance is watched (default: 15, in which it looks once at what serves; 0: not at all).
--idle: nothing else is measured.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence

from appliance import HERE, NOTHING, Appliance, appliance, process
from idle import appliance_running, pss, show, show_caddy, show_cpu, show_idle

MINUTES = 15.0


def peak(argv: Sequence[str]) -> float:
    """Return the peak of a process, sampled every 5 ms."""
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        most = 0.0
        while running.poll() is None:
            most = max(most, pss(running.pid))
            time.sleep(0.005)
    return most


def show_commands(made: Appliance, count: int) -> None:
    """Print the peak of each command."""
    made.toy(count)
    show(f"first boot, {count} chains", peak(made.command("boot")))
    show(f"apply after the boot, {count}", peak(made.command("apply")))
    show(f"apply with nothing to do, {count}", peak(made.command("apply")))
    show(f"status, {count}", peak(made.command("status")))
    show(f"status --json, {count}", peak(made.command("status", "--json")))
    bare = (sys.executable, str(HERE / "bare_ca.py"), str(made.root / "bare"), str(count))
    show(f"bare loop, {count}", peak(bare))


def watch(made: Appliance, count: int, minutes: float) -> None:
    """Print what an idle appliance takes: nobody has used its page."""
    made.page(count)
    process(*made.command("boot"))()
    with appliance_running(made) as (agent, web):
        time.sleep(10)  # the first pass after the web interface has come up
        show_idle(agent, web, f", {count}")
        if minutes:
            show_cpu(made, agent, web, minutes)


def main(chains: int, minutes: float, only_idle: bool) -> None:
    if not only_idle:
        show("python -c 'sleep'", peak((NOTHING[0], "-c", "import time; time.sleep(0.2)")))
    for count in (1, chains):
        if not only_idle:
            with appliance() as made:
                show_commands(made, count)
        with appliance() as made:
            watch(made, count, minutes)
        show_caddy(count)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("chains", type=int, nargs="?", default=1000)
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--idle", action="store_true")
    given = parser.parse_args()
    main(given.chains, given.minutes, given.idle)

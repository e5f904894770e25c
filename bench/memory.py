"""(d) Memory: the peak of each command, and the idle agent (PSS, MiB).  python bench/memory.py [CHAINS]"""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from appliance import HERE, NOTHING, Appliance, appliance

SETTLED = 12
"""Seconds after which the agent is idle: its first pass has ended."""


def pss(pid: int) -> float:
    """Return the proportional share of a process, 0 when it has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    lines = (line for line in text.splitlines() if line.startswith("Pss:"))
    return int(next(lines, "Pss: 0").split()[1]) / 1024


def peak(argv: Sequence[str]) -> float:
    """Return the peak of a process, sampled every 5 ms."""
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        most = 0.0
        while running.poll() is None:
            most = max(most, pss(running.pid))
            time.sleep(0.005)
    return most


def idle(made: Appliance) -> float:
    """Return the memory of the idle agent."""
    with subprocess.Popen(made.command("run"), stderr=subprocess.DEVNULL) as agent:
        time.sleep(SETTLED)
        held = pss(agent.pid)
        agent.send_signal(signal.SIGTERM)
    return held


def show(label: str, amount: float) -> None:
    print(f"{label:<34} {amount:10.1f} MiB")


def main(chains: int) -> None:
    show("python -c 'sleep'", peak((NOTHING[0], "-c", "import time; time.sleep(0.2)")))
    for count in (1, chains):
        with appliance() as made:
            made.toy(count)
            show(f"first boot, {count} chains", peak(made.command("boot")))
            show(f"apply after the boot, {count}", peak(made.command("apply")))
            show(f"apply with nothing to do, {count}", peak(made.command("apply")))
            show(f"status, {count}", peak(made.command("status")))
            show(f"status --json, {count}", peak(made.command("status", "--json")))
            show(f"idle agent, {count}", idle(made))
            bare = (sys.executable, str(HERE / "bare_ca.py"), str(made.root / "bare"), str(count))
            show(f"bare loop, {count}", peak(bare))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)

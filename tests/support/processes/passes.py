"""What takes jobs in place of the agent: it makes passes for them, and none of its own accord.

Called as a program, it is that: `passes.py ROOT [idle]`; with `idle` it takes jobs and does nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__)
sys.path.insert(0, str(HERE.parents[2]))  # for those who call it as a program

from agent.system.layout import Layout
from support.processes import prepared
from support.waiting import until


def start(layout: Layout, *, idle: bool = False) -> prepared.Process:
    """Start it, and wait until it listens."""
    made = prepared.start([HERE, layout.root, *(["idle"] if idle else [])])
    until(layout.poke.exists, what="somebody takes jobs")
    return made


def _main(root: str, *idle: str) -> None:
    from agent.daemon.pass_supervisor import PassSupervisor
    from agent.daemon.wakeup import Wakeup

    layout = Layout(Path(root))
    with Wakeup(layout) as wakeup:
        passes = PassSupervisor(layout, wakeup, heard=_forget, ended=_forget, who="test")
        while not wakeup.stopping:
            if wakeup.jobs and passes.asked is None and not idle:
                passes.ask(reason="a change was asked for", recheck="nothing", job=wakeup.jobs.popleft())
            wakeup.wait(60)
        passes.stop(5)


def _forget(*_: object) -> None:
    """Do nothing."""


if __name__ == "__main__":
    _main(*sys.argv[1:])

"""The agent has events told by a process of its own, and starts it again when it dies or when a pause is over."""

from support.clients.terminal import Terminal
from support.processes.daemon import Agent
from support.waiting import until

PLUGIN = """
import os
from pathlib import Path
from chainwright import Notifier, hookimpl

class Pager(Notifier):
    name = "pager"

    def wants(self, event):
        return event.kind == "pass_ended"

    def send(self, event, context):
        with Path("{root}/sent").open("a") as file:
            file.write(f"{{event.id}} {{context.host}} {{context.stopping()}}\\n")
        if not Path("{root}/gate").exists():
            raise OSError("no route")

@hookimpl
def register_notifiers():
    return [Pager]

@hookimpl
def on_event(event):
    with Path("{root}/told").open("a") as file:
        file.write(f"{{event.id}} {{event.kind}}\\n")
    if Path("{root}/deadly").exists():
        Path("{root}/deadly").unlink()
        os._exit(0)
"""


def enable(appliance) -> None:
    (appliance.layout.plugins / "pager.py").write_text(PLUGIN.format(root=appliance.root))
    appliance.settings(f"{appliance.layout.settings.read_text()}\n[plugins.pager]\n[notify.pager]\n")


def lines(appliance, name: str) -> list[str]:
    file = appliance.root / name
    return file.read_text().splitlines() if file.exists() else []


def test_the_agent_has_events_told_and_what_failed_told_again(idle):
    enable(idle)
    with Agent(idle.layout) as agent:
        until(
            lambda: any("pass_ended" in each for each in lines(idle, "told")), seconds=40, what="the observer is told"
        )
        until(lambda: lines(idle, "sent"), what="the notifier is told")
        (idle.root / "gate").touch()
        until(lambda: len(lines(idle, "sent")) >= 2, seconds=40, what="it is told again after its pause")
        first, second = lines(idle, "sent")[:2]
        assert first == second == f"{first.partition(' ')[0]} gw False"
        assert agent.ends() == 0
    assert all(each.partition(" ")[0] != first.partition(" ")[0] for each in lines(idle, "sent")[2:])


def test_the_agent_starts_it_again_when_it_has_died(idle):
    enable(idle)
    (idle.root / "gate").touch()
    (idle.root / "deadly").touch()
    with Agent(idle.layout) as agent:
        until(lambda: any("pass_ended" in each for each in lines(idle, "told")), seconds=60, what="all is told")
        assert agent.ends() == 0
    found = lines(idle, "told")
    assert found[0] == found[1]


def test_plugins_are_listed_with_how_far_each_is(idle):
    enable(idle)
    idle.apply()
    terminal = Terminal(idle.root)
    found = terminal.json("plugins")["listeners"]
    assert [(each["name"], each["kind"], each["plugin"], each["behind"] > 0) for each in found] == [
        ("notify.pager", "notifier", "pager", True),
        ("pager", "observer", "pager", True),
    ]
    shown = terminal.run("plugins").stdout
    assert f"notify.pager    notifier  pager   {found[0]['behind']}" in shown

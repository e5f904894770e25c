"""Passes that hang, or whose process dies: named, ended, told until a pass has got through, and tried again."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from agent.daemon.channel import Message
from agent.daemon.event_loop import EventLoop
from agent.daemon.hang_watch import what_happened
from agent.daemon.pass_supervisor import PassSupervisor
from agent.health.hangs import of_account
from agent.model.finding import Finding
from agent.report import read_snapshot, report
from agent.system.lock import held, holder_of
from agent.system.poke import poke
from support.appliances.deployed import Deployed
from support.appliances.idle import START, configure
from support.processes.daemon import Agent, with_patience, with_short_guard
from support.processes.tree import alive
from support.waiting import until

SHORT = 2.0
"""Seconds after which a hook or a command hangs."""
PLUGIN = """
import os, time
from pathlib import Path
from chainwright import ChainFile, Module, Part, hookimpl

class Tunnel(Module):
    "Tunnels."

    name = "tunnel"
    files = (ChainFile(path="tunnel.pem", parts=(Part.KEY, Part.FULLCHAIN)),)
    check = ("{check}",)
    reload = ("true",)
    unprobed = "nothing listens"
    port: int
    domain: str

    def declare_needs(self, host):
        {hook}
        return [self.need(self.domain)]

@hookimpl
def register_modules():
    return [Tunnel]
"""


@pytest.fixture
def fault(idle: Deployed) -> Path:
    """A file: while it is there, what a test has prepared goes wrong."""
    return idle.root / "fault"


def install(box: Deployed, hook: str = "pass", check: str = "true") -> None:
    (box.layout.plugins / "tunnel.py").write_text(PLUGIN.format(hook=hook, check=check))


def findings(box: Deployed) -> list[Finding]:
    now = box.clock()
    return [each for each in report(read_snapshot(box.layout, now), now).findings if each.severity.degrades]


def told(box: Deployed, code: str) -> Finding:
    until(lambda: [each for each in findings(box) if each.problem.code == code], seconds=40, what=code)
    (found,) = [each for each in findings(box) if each.problem.code == code]
    return found


def test_a_hook_that_hangs_is_named_and_ended_and_the_next_pass_gets_through(idle, fault):
    install(idle, f'while Path("{fault}").exists(): time.sleep(0.05)')
    with Agent(idle.layout, program=with_patience(SHORT)) as agent:
        agent.passes(START)
        fault.touch()
        assert poke(idle.layout)
        agent.says("declare_needs of tunnel hung for ")
        found = told(idle, "status.pass_hung")
        assert (found.kind, found.subject, found.severity) == ("plugin", "tunnel", "error")
        line = next(at for at, text in enumerate(PLUGIN.splitlines(), 1) if "{hook}" in text)
        assert found.problem.cause.startswith(
            f"Declare_needs of tunnel ({idle.layout.plugins}/tunnel.py:{line}) did not end within "
        )
        fault.unlink()
        agent.passes("a failed pass is tried again")
        assert findings(idle) == []


def test_a_command_that_hangs_is_named_and_killed(idle, fault):
    script = idle.program("sleepy", f"#!/bin/sh\n[ ! -e {fault} ] || {{ echo $$ >{idle.root}/number; sleep 1000; }}\n")
    fault.touch()
    install(idle, check=str(script))
    with Agent(idle.layout, program=with_patience(SHORT)) as agent:
        agent.says("the command ")
        found = told(idle, "status.pass_hung")
        assert (found.kind, found.subject, found.severity) == ("service", "sleepy", "error")
        assert found.problem.cause.startswith(f"The command {script} did not end within ")
        number = int((idle.root / "number").read_text())
        fault.unlink()
        agent.passes("a failed pass is tried again")
        until(lambda: not alive(number), what="the end of the command")
        assert findings(idle) == []


def test_a_hook_that_the_process_dies_of_is_named(idle, fault):
    install(idle, f'if Path("{fault}").exists(): os.abort()')
    fault.touch()
    with Agent(idle.layout) as agent:
        agent.says("a pass failed, made because the agent starts: signal 6 ended it at declare_needs of tunnel")
        found = told(idle, "status.pass_died")
        assert (found.kind, found.subject, found.severity) == ("plugin", "tunnel", "error")
        assert found.problem.cause.startswith(
            "The process of a pass died: signal 6 ended it, at declare_needs of tunnel"
        )
        install(idle)
        until(lambda: not findings(idle), seconds=40, what="nothing is told any more")


def test_a_hook_that_ends_the_process_as_if_all_were_well_is_named(idle, fault):
    """Exit code 0: the pass is not begun again at once, which would go on and on."""
    install(idle, f'if Path("{fault}").exists(): os._exit(0)')
    fault.touch()
    with Agent(idle.layout) as agent:
        agent.says("a pass failed, made because the agent starts: it ended with code 0 at declare_needs of tunnel")
        found = told(idle, "status.pass_died")
        assert (found.kind, found.subject, found.severity) == ("plugin", "tunnel", "error")
        assert found.problem.cause.startswith(
            "The process of a pass died: it ended with code 0, at declare_needs of tunnel"
        )
        install(idle)
        until(lambda: not findings(idle), seconds=40, what="nothing is told any more")


def test_what_a_hook_forks_keeps_no_lock_and_ends_with_the_process(idle, fault):
    number = idle.root / "number"
    write = f'Path("{number}").write_text(str(os.getpid()))'
    install(
        idle,
        f'if not Path("{fault}").exists() and not (Path("{fault}").touch() or os.fork()): {write}; time.sleep(1000)',
    )
    with Agent(idle.layout) as agent:
        agent.passes(START)
        until(lambda: number.exists() and number.read_text(), what="it has forked")
        forked = int(number.read_text())
        with held(idle.layout.lock, wait=0):
            assert alive(forked)
        assert agent.ends() == 0
    until(lambda: not alive(forked), what="its end")


def test_a_process_that_does_not_begin_what_it_is_asked_is_ended_and_told(idle):
    """It is stopped, say: then it can't write what it is about."""
    ends: list[tuple[int, Message | None, Message | None]] = []
    stopped = ("/bin/sh", "-c", "kill -STOP $$")
    with EventLoop() as loop:
        passes = PassSupervisor(
            idle.layout,
            loop,
            heard=lambda _message: None,
            ended=lambda *end: ends.append(end),
            who="a test",
            program=stopped,
            begin_seconds=0.2,
        )
        passes.ask(reason="it was poked")

        def has_ended() -> bool:
            passes.look()
            loop.wait(passes.seconds)
            return bool(ends)

        until(has_ended, what="its end")
    ((_, asked, account),) = ends
    assert asked == {"number": 1, "reason": "it was poked"}
    assert account is not None
    assert what_happened(-signal.SIGKILL, account).startswith("the beginning of a pass hung for ")
    assert of_account(account).problem.cause.startswith("The beginning of a pass did not end within ")


def test_a_pass_that_hangs_does_not_outlive_a_supervisor_that_is_killed_and_the_next_agent_gets_the_lock(idle, fault):
    install(idle, f'while Path("{fault}").exists(): time.sleep(0.05)')
    with Agent(idle.layout, program=with_patience(SHORT)) as agent:
        agent.passes(START)
        pid = agent.pass_process
        fault.touch()
        assert poke(idle.layout)
        until(lambda: holder_of(idle.layout.lock), what="it has the lock")
        agent.signal(signal.SIGKILL)
        agent.process.wait(10)
    until(lambda: not alive(pid), seconds=40, what="the end of the pass process")
    fault.unlink()
    with Agent(idle.layout) as agent:
        agent.passes(START)


def test_an_agent_that_is_to_end_ends_though_a_pass_hangs(idle, fault):
    install(idle, f'while Path("{fault}").exists(): time.sleep(0.05)')
    with Agent(idle.layout, program=with_patience(SHORT)) as agent:
        agent.passes(START)
        fault.touch()
        assert poke(idle.layout)
        assert agent.ends() == 0


def test_a_plugin_that_hangs_again_and_again_costs_itself_until_a_file_has_changed(idle, fault):
    shutil.copy(idle.layout.plugins / "tunnel.py", idle.layout.plugins / "second.py")
    second = idle.layout.plugins / "second.py"
    second.write_text(second.read_text().replace('name = "tunnel"', 'name = "second"'))
    install(idle, f'while Path("{fault}").exists(): time.sleep(0.05)')
    configure(idle, more=f'[modules.second]\nport = {idle.port}\ndomain = "s.example.test"\n')
    fault.touch()
    with Agent(idle.layout, program=with_patience(SHORT)) as agent:
        agent.says("declare_needs of tunnel hung for ", times=2)
        until(idle.layout.module("second").live.exists, seconds=60, what="the other module is deployed")
        found = told(idle, "plugin.module_raised")
        assert (found.kind, found.subject) == ("module", "tunnel")
        assert "it hung, or processes died of it" in found.problem.cause
        fault.unlink()
        install(idle, "pass")
        agent.passes(f"{idle.layout.plugins}/tunnel.py has changed")
        assert idle.layout.module("tunnel").live.exists()


def test_a_plugin_that_was_given_up_is_not_asked_by_the_next_pass_process(idle, fault):
    asked = idle.root / "asked"
    install(idle, f'open("{asked}", "a").write("x"); time.sleep(600)')
    with Agent(idle.layout, program=with_short_guard(0.5)) as agent:
        agent.passes(START)
        first = agent.pass_process
        assert first is not None
        os.kill(first, signal.SIGTERM)
        until(lambda: not alive(first), seconds=40, what="the end of the pass process")
        assert poke(idle.layout)
        agent.says("made a pass", times=2)
        assert agent.pass_process != first
        found = told(idle, "plugin.module_raised")
        assert "it hung, or processes died of it" in found.problem.cause
    assert asked.read_text() == "x"

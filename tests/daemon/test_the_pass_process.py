"""The process that makes passes: what it is asked, what it does beside them, and its end, whoever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

from agent.model.deployment import Outcome
from agent.model.task import Task, TaskKind
from agent.store.jobs import JobRecord
from agent.system.poke import poke
from support.appliances.deployed import Deployed
from support.appliances.idle import START, configure
from support.processes.daemon import Agent, with_idle_seconds, with_job_seconds
from support.processes.tree import alive
from support.waiting import until

HEAVY = {
    *(
        "acme",
        "click",
        "cryptography",
        "jinja2",
        "pluggy",
        "plugins",
        "pydantic",
        "sqlite3",
        "sqlite_utils",
        "starlette",
    ),
    *("asyncio", "dataclasses", "hashlib", "inspect", "logging", "subprocess", "typing"),
}
"""What an agent that waits has no use for: of others, and of Python's own what takes much memory."""
JOB = "a change was asked for"


def asked(appliance: Deployed, job: str) -> None:
    """Keep a job and ask the agent for it, as the API does."""
    with appliance.store() as store, store.write():
        store.jobs.add(JobRecord(job, "apply", "", "admin", appliance.clock()))
    assert poke(appliance.layout, job)


def ended(appliance: Deployed, job: str) -> JobRecord:
    def record() -> JobRecord | None:
        with appliance.store() as store:
            return store.jobs.get(job)

    until(lambda: (found := record()) and found.ended_at, seconds=30, what=f"the end of job {job}")
    return record()


def kinds_of(appliance: Deployed, job: str) -> list[str]:
    with appliance.store() as store:
        return [str(event.kind) for event in store.journal.since(-1, job=job)]


def killed(pid: int | None) -> None:
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid), what=f"the end of {pid}")


# Jobs


def test_a_job_is_a_pass_with_its_id(idle):
    with Agent(idle.layout) as agent:
        agent.passes(START)
        configure(idle, more='[modules.second]\nplugin = "tunnel"\nport = 1\ndomain = "s.example.test"\n')
        asked(idle, "a1")
        record = ended(idle, "a1")
        assert (record.exit_code, record.problem) == (0, None)
        assert {"pass_started", "chain_stored", "waiting", "pass_ended"} <= {*kinds_of(idle, "a1")}
        agent.passes(JOB)


def test_jobs_are_done_one_after_the_other_by_one_process(idle):
    with Agent(idle.layout) as agent:
        agent.passes(START)
        pid = agent.pass_process
        for job in ("a1", "b2", "c3"):
            asked(idle, job)
        assert [ended(idle, job).exit_code for job in ("a1", "b2", "c3")] == [0, 0, 0]
        assert agent.pass_process == pid


def test_a_job_lasts_until_its_orders_have_ended_and_nobody_waits_for_it_meanwhile(patient):
    configure(patient)
    with Agent(patient.layout) as agent:
        agent.passes(START)
        gate = patient.root / "gate"
        configure(patient, sources='"patient", "local"', more=f'[source.patient]\ngate = "{gate}"\n')
        asked(patient, "a1")
        agent.says("event=order_started job=a1")
        assert poke(patient.layout)
        agent.passes("it was poked")
        with patient.store() as store:
            assert store.jobs.get("a1").ended_at is None
        gate.touch()
        ended(patient, "a1")
        assert kinds_of(patient, "a1").count("pass_ended") == 2


def test_a_job_whose_orders_take_too_long_ends_and_they_go_on(patient):
    configure(patient)
    with Agent(patient.layout, program=with_job_seconds(1)) as agent:
        agent.passes(START)
        gate = patient.root / "gate"
        configure(patient, sources='"patient", "local"', more=f'[source.patient]\ngate = "{gate}"\n')
        asked(patient, "a1")
        agent.says("event=order_started job=a1")
        ended(patient, "a1")
        with patient.store() as store:
            assert store.orders.leased(patient.clock())
        gate.touch()
        agent.passes("orders have ended")


def test_a_job_whose_settings_are_refused_says_so(idle):
    idle.settings("nonsense = 1\n")
    with Agent(idle.layout) as agent:
        agent.says("no pass was made")
        with idle.store():  # a change can only be asked for where there is a store
            pass
        asked(idle, "a1")
        record = ended(idle, "a1")
        assert (record.exit_code, record.problem.code) == (1, "settings.refused")


def test_a_job_that_its_process_dies_of_has_ended(patient):
    with Agent(patient.layout) as agent:
        agent.passes(START)
        gate = patient.root / "gate"
        more = '[modules.third]\nplugin = "tunnel"\nport = 1\ndomain = "u.example.test"\n'
        configure(patient, sources='"patient", "local"', more=f'{more}[source.patient]\ngate = "{gate}"\n')
        asked(patient, "a1")
        agent.says("event=order_started job=a1")
        killed(agent.pass_process)
        record = ended(patient, "a1")
        assert (record.exit_code, record.problem.cause) == (1, "The job ended without a result: signal 9 ended it.")


def test_a_job_that_nobody_was_told_of_is_taken_up_at_the_next_start(idle):
    configure(idle)
    with idle.store() as store, store.write():
        store.jobs.add(JobRecord("a1", "apply", "", "admin", idle.clock() - timedelta(minutes=5)))
        store.jobs.add(JobRecord("b2", "apply", "", "admin", idle.clock() - timedelta(minutes=5)))
        store.database.execute("update jobs set process = '4194304@nowhere' where id = 'b2'")
    with Agent(idle.layout) as agent:
        agent.passes("a change was waiting")
        assert ended(idle, "a1").exit_code == 0
        assert ended(idle, "b2").problem.cause == (
            "The job ended without a result: it was killed, or the machine was restarted."
        )


def test_jobs_that_the_agent_s_socket_has_no_place_for_are_begun_too(idle):
    with Agent(idle.layout) as agent:
        agent.passes(START)
        with idle.store() as store, store.write():
            for job in ("a1", "b2", "c3"):
                store.jobs.add(JobRecord(job, "apply", "", "admin", idle.clock()))
        assert poke(idle.layout, "a1"), "the datagrams of the others are lost"
        assert [ended(idle, job).exit_code for job in ("a1", "b2", "c3")] == [0, 0, 0]


def test_a_job_that_was_begun_already_is_a_pass_like_any_other(idle):
    with Agent(idle.layout) as agent:
        agent.passes(START)
        asked(idle, "a1")
        first = ended(idle, "a1")
        assert poke(idle.layout, "a1")
        agent.passes(JOB, 2)
        assert ended(idle, "a1") == first


def test_a_job_revokes_first_what_it_is_for(idle):
    with Agent(idle.layout) as agent:
        agent.passes(START)
        with idle.store() as store:
            (chain,) = store.chains.records()
        task = Task(TaskKind.REVOKE_SIGNED, chain.serial, "superseded")
        with idle.store() as store, store.write():
            store.jobs.add(JobRecord("a1", "revoke", "", "admin", idle.clock(), task=task))
        assert poke(idle.layout, "a1")
        record = ended(idle, "a1")
        assert record.aim is not None
        assert record.aim.instead_of == (chain.id,)


# Its end


def test_it_ends_when_nothing_was_under_way_for_a_while_and_the_next_reason_starts_another_one(idle):
    with Agent(idle.layout, program=with_idle_seconds(0.5)) as agent:
        agent.passes(START)
        until(lambda: agent.pass_process is None, what="it has ended")
        assert poke(idle.layout)
        agent.passes("it was poked")
        assert agent.count("Traceback") == 0


def test_names_are_looked_up_by_a_process_that_makes_no_pass_and_ends(idle):
    plugin = idle.layout.plugins / "tunnel.py"
    plugin.write_text(f'{plugin.read_text()}\n\nTunnel.names_to_resolve = lambda self, host: ["chainwright.invalid"]\n')
    configure(idle, more="[resolve]\ninterval = 5\n")

    def asked_at() -> datetime:
        with idle.store() as store:
            return store.resolved.all()[0].asked_at

    with Agent(idle.layout, program=with_idle_seconds(0.2)) as agent:
        agent.passes(START)
        first = asked_at()
        until(lambda: asked_at() > first, seconds=30, what="it is looked up again")
        until(lambda: agent.pass_process is None, what="it has ended")
        assert agent.count("something is due") == 0


def test_it_does_not_end_while_orders_run(patient):
    with Agent(patient.layout, program=with_idle_seconds(0.2)) as agent:
        agent.passes(START)
        pid = agent.pass_process
        agent.says("event=order_step", times=2)
        (patient.root / "gate").touch()
        agent.passes("orders have ended")
        assert agent.count("signal") == 0
        until(lambda: not alive(pid), what="it has ended")


def test_another_one_that_finds_bad_settings_works_with_the_last_good_ones(tunnel):
    configure(tunnel)
    with Agent(tunnel.layout, program=with_idle_seconds(0.2)) as agent:
        agent.passes(START)
        until(lambda: agent.pass_process is None, what="it has ended")
        tunnel.settings("nonsense = 1\n")
        agent.passes(f"{tunnel.layout.settings} has changed")
        assert tunnel.deployment("tunnel").outcome is Outcome.LIVE
        assert agent.count("no pass was made") == 0
        until(lambda: agent.pass_process is None, what="it has ended")
        assert poke(tunnel.layout)
        agent.passes("it was poked")
        assert agent.count("There is an error in the settings") == 1
        with tunnel.store() as store:
            assert [str(each.kind) for each in store.journal.since()].count("settings_refused") == 1


def test_one_that_is_killed_is_told_and_the_next_one_goes_on(patient):
    with Agent(patient.layout) as agent:
        agent.says("event=order_step", times=2)
        agent.passes(START)
        killed(agent.pass_process)
        agent.says("a pass failed, made because orders go on: signal 9 ended it")
        (patient.root / "gate").touch()
        agent.passes("orders have ended")


def test_it_ends_with_a_supervisor_that_is_killed(patient):
    with Agent(patient.layout) as agent:
        agent.passes(START)
        pid = agent.pass_process
        agent.signal(signal.SIGKILL)
        agent.process.wait(10)
        until(lambda: not alive(pid), seconds=20, what="its end")
    with patient.store() as store:
        assert store.orders.leased(patient.clock()) == set()


# The supervisor


def test_the_supervisor_loads_nothing_that_only_a_pass_needs():
    code = "import sys, agent.daemon.supervisor; print(*{each.partition('.')[0] for each in sys.modules})"
    loaded = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True).stdout
    assert HEAVY & {*loaded.split()} == set()


def test_the_command_loads_nothing_that_only_a_pass_needs(idle):
    """What is mapped into the real process: extension modules of what it must not have."""
    argv = [sys.executable, "-P", "-m", "agent", "--root", str(idle.root), "run"]
    with (idle.root / "agent.log").open("w") as log:
        process = subprocess.Popen(argv, stderr=log)
    try:
        until(lambda: "made a pass" in (idle.root / "agent.log").read_text(), seconds=30, what="its first pass")
        maps = Path(f"/proc/{process.pid}/maps").read_text()
        assert [
            name for name in ("pydantic", "cryptography", "_cffi", "_sqlite3", "_ssl", "_asyncio") if name in maps
        ] == []
    finally:
        process.terminate()
        assert process.wait(30) == 0

"""Jobs in the store: what is done for them, and those that nobody has begun or whose process has died."""

from datetime import UTC, datetime, timedelta

import pytest

from agent.errors.source import NotRevocable
from agent.model.aim import Aim
from agent.model.task import Task, TaskKind
from agent.operations.tasks import begin_task, waiting_jobs
from agent.store.jobs import WAITING, JobRecord

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def job(name, started_at=NOW, **more):
    return JobRecord(name, "apply", "everything", "ann", started_at, **more)


def add(tunnel, *records):
    with tunnel.store() as store, store.write():
        for record in records:
            store.jobs.add(record)


def test_a_task_is_read_back_as_it_was_kept(tunnel):
    task = Task(TaskKind.REVOKE, "a" * 64, "keyCompromise", windows=False, everywhere=True)
    add(tunnel, job("a", task=task), job("b"))
    with tunnel.store() as store:
        assert [store.jobs.get(each).task for each in "ab"] == [task, Task()]


def test_jobs_that_nobody_has_begun_are_taken_up_in_their_order(tunnel):
    add(tunnel, job("b"), job("a"))
    with tunnel.store() as store:
        assert waiting_jobs(store, NOW) == ["b", "a"]
        assert store.jobs.open() == [store.jobs.get("b"), store.jobs.get("a")]


def test_a_job_that_is_under_way_is_neither_taken_up_nor_ended(tunnel):
    add(tunnel, job("a"))
    with tunnel.store() as store:
        with store.write():
            store.jobs.take("a")
        assert waiting_jobs(store, NOW) == []
        assert store.jobs.get("a").ended_at is None


def test_a_job_whose_process_has_died_ends_and_says_why(tunnel):
    add(tunnel, job("a"))
    with tunnel.store() as store:
        with store.write():
            store.database.execute("update jobs set process = '4194304@nowhere'")
        assert waiting_jobs(store, NOW) == []
        ended = store.jobs.get("a")
        assert (ended.ended_at, ended.exit_code) == (NOW, 1)
        assert ended.problem.lines() == [
            "The job ended without a result: it was killed, or the machine was restarted.",
            "What is served is not touched. The agent goes on with what is due; or at once: chainwright apply",
        ]


def test_a_job_that_waited_for_too_long_ends(tunnel):
    add(tunnel, job("a"), job("b", NOW + timedelta(seconds=1)))
    with tunnel.store() as store:
        assert waiting_jobs(store, NOW + WAITING + timedelta(seconds=1)) == ["b"]
        assert store.jobs.get("a").problem.code == "api.job_lost"


def test_a_pass_has_nothing_before_it(tunnel):
    assert begin_task(tunnel.engine(), Task(), "a") is None


def test_a_local_chain_is_revoked_for_a_job_and_another_one_is_what_it_is_about(tunnel):
    with tunnel.store() as store:
        (before,) = store.chains.records()
    aim = begin_task(tunnel.engine(), Task(TaskKind.REVOKE_SIGNED, before.serial, "superseded"), "a")
    assert aim == Aim((("tunnel", "default"),), instead_of=(before.id,))
    with tunnel.store() as store:
        assert store.chains.record(before.id).revoked_at is not None
        assert [each.job for each in store.journal.since(0) if str(each.kind) == "chain_revoked"] == ["a"]


def test_a_revocation_that_no_source_can_do_changes_nothing(tunnel):
    with tunnel.store() as store:
        (before,) = store.chains.records()
    with pytest.raises(NotRevocable):
        begin_task(tunnel.engine(), Task(TaskKind.REVOKE, before.id, "superseded"), "a")
    with tunnel.store() as store:
        assert store.chains.record(before.id).revoked_at is None

"""Jobs whose end can't be noted, as another process writes to the database."""

from __future__ import annotations

from agent.daemon.jobs import Jobs
from agent.model.task import Task
from agent.store.jobs import JobRecord
from support.appliances.deployed import Deployed
from support.processes.writing import writing


def test_the_end_of_a_job_is_noted_as_soon_as_nobody_else_writes(tunnel: Deployed) -> None:
    with tunnel.store() as store, store.write():
        store.jobs.add(JobRecord("j", "apply", "everything", "ann", tunnel.clock(), task=Task()))
    engine = tunnel.engine()
    jobs = Jobs(engine)
    jobs.run("j")
    with writing(tunnel.layout.database):
        assert jobs.end_those_over() == []
    assert jobs
    assert jobs.end_those_over() == ["j"]
    engine.workers.close()
    with tunnel.store() as store:
        record = store.jobs.get("j")
    assert record is not None
    assert record.ended_at is not None

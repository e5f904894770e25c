"""A change is checked in the process of the API, and its pass is made by the agent's: neither loads or judges anything twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.store import Store
from support.appliances.api import ANN, NAME, bought, make_people, make_tunnel, pem_of
from support.processes.api import ApiProcess

PLACE = {"module": "tunnel", "slot": "default"}
COUNTING = """
import os, pathlib
with pathlib.Path({place!r}).open("a") as file:
    file.write(f"{{os.getpid()}}\\n")
"""


@pytest.fixture
def loads(box):
    """Return the process of each load of the plugins from now on."""
    place = box.appliance.root / "loads"
    plugin = box.appliance.layout.plugins / "tunnel.py"
    plugin.write_text(plugin.read_text() + COUNTING.format(place=str(place)))
    return lambda: place.read_text().split()


def test_settings_and_plugins_are_loaded_once_by_each_process_whatever_is_changed(box, loads):
    first, second = bought(days=100), bought(days=50)
    for chain in (first, second):
        box.ends(box.admin.submit("/v1/uploads", (f"{chain.id[:5]}.pem", pem_of(chain))))
    box.ends(box.admin.post("/v1/pins", {**PLACE, "chain": second.id}))
    assert box.wire() == second.id
    box.ends(box.admin.delete(f"/v1/chains/{second.id}?confirmed=true"))
    assert box.wire() == first.id
    box.ends(box.admin.post("/v1/reissue", {"names": [NAME]}))
    assert len(loads()) == len(set(loads())) == 2


def test_settings_that_were_changed_are_loaded_for_the_next_change(box, loads):
    box.ends(box.admin.post("/v1/reissue", {"names": [NAME]}))
    settings = box.appliance.layout.settings
    settings.write_text(f"{settings.read_text()}\n")
    box.ends(box.admin.post("/v1/reissue", {"names": [NAME]}))
    assert sorted(loads().count(each) for each in set(loads())) == [2, 2]


def faults_of_children(process: ApiProcess) -> int:
    """Return the page faults of all children that the API's process has waited for: none without a child."""
    return int(Path(f"/proc/{process.process.pid}/stat").read_text().rpartition(")")[2].split()[8])


def test_an_upload_that_was_previewed_is_neither_parsed_nor_judged_again(box):
    chain = bought()
    before = faults_of_children(box.api)
    box.admin.submit("/v1/uploads/preview", ("a.pem", pem_of(chain)))
    previewed = faults_of_children(box.api)
    assert previewed > before
    box.ends(box.admin.submit("/v1/uploads", ("a.pem", pem_of(chain))))
    assert faults_of_children(box.api) == previewed
    assert box.wire() == chain.id


def test_a_job_that_nobody_takes_has_ended_and_says_so(appliance):
    make_tunnel(appliance)
    make_people(appliance)
    with ApiProcess(appliance.layout) as api:
        reply = api.log_in("ann", ANN).post("/v1/reissue", {"names": [NAME]})
        assert (reply.status, reply.code) == (500, "api.job_lost")
        assert reply.json["title"] == "The job ended without a result: the agent does not listen."
    with Store.open(appliance.layout) as store:
        (job,) = store.jobs.newest(5)
        assert (job.exit_code, store.jobs.open()) == (1, [])

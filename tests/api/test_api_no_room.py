"""The API of an appliance whose state is full: it shows all, says so, and refuses in one sentence what would be written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support import obstacles
from support.appliances.api import ANN, Box, box_at
from support.appliances.deployed import Deployed
from support.waiting import until


@pytest.fixture
def box(appliance: Deployed) -> Iterator[Box]:
    state = appliance.layout.state
    state.mkdir(parents=True)
    obstacles.sh("mount", "-t", "tmpfs", "-o", "size=8m,nr_inodes=300,mode=711", "none", state)
    try:
        yield from box_at(appliance)
    finally:
        obstacles.sh("umount", "-l", state)


@pytest.mark.root
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (obstacles.no_space, "is nearly full: 0 MiB are free."),
        (obstacles.no_inodes, "is nearly full: 0 more files can be made."),
    ],
)
def test_the_page_shows_all_and_says_so(box, kind, words):
    cure = kind(box.appliance.layout.state)
    for path in ("/v1/status", "/v1/events", "/v1/openapi.json"):
        assert box.viewer.get(path).status == 200, (path, box.viewer.get(path))
    found = [each["problem"]["cause"] for each in box.viewer.get("/v1/status").json["findings"]]
    assert any(words in each for each in found), found
    reply = box.admin.post("/v1/apply", {})
    assert (reply.status, reply.json["code"]) == (503, "store.database_full"), reply
    cure()
    until(lambda: not box.viewer.get("/v1/status").json["findings"], what="all is well again")
    assert box.api.log_in("ann", ANN).get("/v1/status").status == 200

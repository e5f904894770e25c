"""Each answer is dated by the clock that is believed: the pages go by it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from agent.system.layout import Layout
from support.processes.api import ApiProcess


def test_an_answer_and_a_refusal_are_dated_by_the_clock_that_is_believed(tmp_path):
    layout = Layout(tmp_path)
    layout.run.mkdir(parents=True)
    with ApiProcess(layout) as api:
        api.advance(days=100)
        expected = datetime.now(UTC) + timedelta(days=100)
        for reply, status in ((api.browser.get("/v1/openapi.json"), 200), (api.browser.get("/v1/status"), 401)):
            assert reply.status == status
            told = parsedate_to_datetime(reply.headers["date"])
            assert timedelta(seconds=-1) <= told - expected < timedelta(minutes=5)

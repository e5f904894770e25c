"""What the demo says of modules whose services have ended since they were deployed."""

from datetime import UTC, datetime

import pytest

from agent.demo.files import Prepared
from agent.demo.guide import guide
from agent.errors.problem import Problem
from agent.model.deployment import Deployment, EndpointRecord, Outcome
from agent.store import Store
from agent.system.layout import Layout

NOW = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    layout = Layout(tmp_path)
    layout.state.mkdir(parents=True)
    with Store.open(layout) as opened:
        yield opened


def said(store: Store, *, ok: bool, further: bool = False) -> str:
    problem = None if ok else Problem("probe.failed", "Nothing listens there.", "sstp", "Start it")
    row = EndpointRecord("sstp", "k", "", "127.0.0.1:8445", "vpn", None, None, ok, problem, NOW, None, further=further)
    with store.write():
        store.deployments.put(Deployment("sstp", 1, Outcome.LIVE))
        store.endpoints.put("sstp", [row])
    return "\n".join(guide(store.layout, store, Prepared((), ()), NOW))


UNSEEN = "sstp is not seen to be served at 127.0.0.1:8445: Nothing listens there."


def test_what_was_deployed_and_has_ended_is_told_of(store):
    assert UNSEEN in said(store, ok=False)


@pytest.mark.parametrize(("ok", "further"), [(True, False), (False, True)])
def test_what_serves_is_not_even_where_another_of_its_addresses_does_not(store, ok, further):
    assert "not seen" not in said(store, ok=ok, further=further)

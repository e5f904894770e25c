"""The web interface as a real process."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.errors.problem import rfc3339
from support.appliances.webui import ADDRESS, Appliance, Pair, Root
from support.fakes.api import NOW, SESSION, WHO, Browser, FakeApi, chain, fake_api, status


@pytest.fixture(scope="session")
def root() -> Root:
    return Root(datetime.now(UTC))


@pytest.fixture(scope="session")
def rsa(root: Root) -> Pair:
    return root.issue(*ADDRESS, key_type="rsa")


@pytest.fixture(scope="session")
def ecdsa(root: Root) -> Pair:
    return root.issue(*ADDRESS)


@pytest.fixture
def appliance(root: Root, tmp_path: Path) -> Iterator[Appliance]:
    box = Appliance(root, tmp_path)
    yield box
    if box.process and box.process.poll() is None:
        box.process.kill()
        box.process.wait()


@pytest.fixture
def serving(appliance: Appliance, ecdsa: Pair) -> Appliance:
    appliance.stage(1, ecdsa)
    appliance.switch(1)
    appliance.start()
    return appliance


@pytest.fixture
def serving_with_override(appliance: Appliance, ecdsa: Pair, tmp_path: Path) -> Appliance:
    (tmp_path / "operator").mkdir()
    appliance.templates.insert(0, tmp_path / "operator")
    appliance.stage(1, ecdsa)
    appliance.switch(1)
    appliance.start()
    return appliance


@pytest.fixture(scope="module")
def app_state(root: Root, ecdsa: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Appliance]:
    """A web interface for all tests of a module: it keeps nothing between two sessions."""
    box = Appliance(root, tmp_path_factory.mktemp("webui"))
    box.stage(1, ecdsa)
    box.switch(1)
    box.start()
    yield box
    assert box.stop() == 0
    assert "Traceback" not in box.log


@pytest.fixture
def agent(app_state: Appliance) -> Iterator[FakeApi]:
    """The agent's API, with an administrator who has logged in and two chains."""
    with fake_api(app_state.api) as made:
        made.says("GET /v1/session", {**WHO, "idle_at": rfc3339(NOW + timedelta(minutes=30))})
        made.says("GET /v1/password/effects", {"tokens": []})
        made.says("GET /v1/status", status(chain()))
        made.says("GET /v1/status?view=uploaded&limit=50&offset=0", status())
        yield made


@pytest.fixture
def browser(app_state: Appliance) -> Browser:
    return Browser(app_state, {"__Host-chainwright": SESSION})

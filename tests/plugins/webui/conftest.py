"""The web interface as a real process."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.auth import Accounts, Role
from agent.errors.problem import rfc3339
from agent.store import Store
from agent.system.layout import Layout
from support.appliances.webui import ADDRESS, Appliance, Pair, Root
from support.fakes.api import NOW, SESSION, WHO, Browser, FakeApi, chain, fake_api, status
from support.passwords import CHEAP
from support.processes.api import ApiProcess

PASSWORD = "correct horse battery"


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


@dataclass
class Guarded:
    """A web interface with the process of the real API, and an administrator who has logged in."""

    web: Appliance
    api: ApiProcess
    browser: Browser

    def memory(self) -> int:
        """Return the resident memory of both processes, at its peak since the last call, octets."""
        assert self.web.process
        return sum(peak(each.pid) for each in (self.web.process, self.api.process))


def peak(pid: int) -> int:
    """Return the peak of the resident memory, and begin another (proc(5), clear_refs)."""
    (line,) = [each for each in Path(f"/proc/{pid}/status").read_text().splitlines() if each.startswith("VmHWM")]
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return 1024 * int(line.split()[1])


@pytest.fixture
def guarded(root: Root, ecdsa: Pair) -> Iterator[Guarded]:
    with tempfile.TemporaryDirectory(prefix="cw-") as place:
        layout, web = Layout(Path(place)), Appliance(root, Path(place))
        for each in (layout.etc, layout.run):
            each.mkdir(parents=True)
        layout.settings.write_text('sources = ["local"]\n')
        with Store.open(layout) as store:
            Accounts(store, CHEAP).add("admin", Role.ADMIN, PASSWORD, datetime.now(UTC))
        with ApiProcess(layout, web=(os.geteuid(),)) as api:
            web.api = layout.api
            web.stage(1, ecdsa)
            web.switch(1)
            web.start()
            browser = Browser(web)
            assert browser.post("/login", {"user": "admin", "password": PASSWORD, "next": ""}).status == 200
            yield Guarded(web, api, browser)
            assert web.stop() == 0
        assert "Traceback" not in web.log

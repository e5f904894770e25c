"""The observer and the notifier of the guide, told of events."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from agent.contract.fields import SecretText
from agent.model.events import Event, EventKind
from chainwright import NotifierContext
from chainwright.testing import check_plugin
from support.paths import THIRD_PARTY
from third_party import chat, deployments

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)


def event(kind: str) -> Event:
    return Event(at=AT, kind=EventKind(kind), text=f"mail: {kind}")


def test_the_observer_keeps_what_was_deployed(tmp_path: Path):
    observer = deployments.Settings(file=str(tmp_path / "deployed"))
    for kind in ("deployed", "rolled_back", "deployed"):
        observer.on_event(event(kind))
    assert (tmp_path / "deployed").read_text() == "Sun Nov  1 12:00:00 2026 mail: deployed\n" * 2


class Asked(BaseHTTPRequestHandler):
    """A chat: what it was told is at its server."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.told.append((self.headers["Authorization"], body.decode()))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_given: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), Asked) as made:
        made.told = []
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def test_the_notifier_tells_a_chat_what_has_gone_wrong(server: HTTPServer):
    teller = chat.Chat(url=f"http://127.0.0.1:{server.server_port}/", token=SecretText("t0ken"))
    assert [kind for kind in ("deployed", "rolled_back", "broken") if teller.wants(event(kind))] == [
        "rolled_back",
        "broken",
    ]
    teller.send(event("broken"), NotifierContext(host="gw", now=AT, stopping=lambda: False))
    assert server.told == [("Bearer t0ken", "gw: mail: broken")]


@pytest.mark.parametrize(
    ("name", "settings"),
    [("deployments", {}), ("chat", {"url": "http://127.0.0.1:9/", "token": "t0ken"})],
)
def test_they_are_plugins_without_a_fault(name: str, settings: dict[str, str]):
    assert check_plugin(THIRD_PARTY / f"{name}.py", settings, acts=False).ok

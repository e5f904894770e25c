"""The example of a notifier: a web server on the loopback gets what it posts, and looks at the signature."""

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError

import pytest

from agent.config.loading import load
from agent.sources import BUILT_IN
from chainwright import Event, EventKind, Notifier, NotifierContext
from support.appliances.example import Example

KEY = "correct horse battery staple"
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
CONTEXT = NotifierContext(host="gw", now=NOW, stopping=lambda: False)


@dataclass
class Receiver:
    """A web server that keeps what it is told, and answers with `status`."""

    port: int = 0
    status: int = 204
    told: list[tuple[str, str, bytes]] = field(default_factory=list)
    """Path, signature and body of each request."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.told.append((self.path, self.headers["X-Signature-256"], body))
            self.send_response(receiver.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join(10)


class Telling(Example):
    name = "webhook"

    def notifier(self, port: int, more: str = "") -> Notifier:
        secret = self.layout.rooted("/etc/chainwright/secrets/webhook")
        secret.parent.mkdir(exist_ok=True)
        secret.write_text(f"{KEY}\n")
        secret.chmod(0o600)
        url, key = f"http://127.0.0.1:{port}/events", "/etc/chainwright/secrets/webhook"
        self.settings(f'hostname = "gw"\n[notify.webhook]\nurl = "{url}"\nkey_file = "{key}"\n{more}\n')
        return load(self.layout, BUILT_IN)[0].notifiers["webhook"]


@pytest.fixture
def box():
    with Telling.make() as appliance:
        yield appliance


@pytest.fixture
def receiver():
    with receiving() as made:
        yield made


def event(kind: EventKind) -> Event:
    return Event(at=NOW, kind=kind, text="mail: rolled back.", module="mail", detail={"generation": 7}, id=41)


def test_an_event_is_posted_and_signed(box, receiver):
    box.notifier(receiver.port).send(event(EventKind.ROLLED_BACK), CONTEXT)
    ((path, signature, body),) = receiver.told
    assert path == "/events"
    assert signature == "sha256=" + hmac.new(KEY.encode(), body, hashlib.sha256).hexdigest()
    told = json.loads(body)
    assert (told["host"], told["id"], told["kind"], told["module"]) == ("gw", 41, "rolled_back", "mail")
    assert (told["text"], told["detail"]) == ("mail: rolled back.", {"generation": 7})


def test_only_the_kinds_of_the_settings_are_wanted(box, receiver):
    notifier = box.notifier(receiver.port)
    assert notifier.wants(event(EventKind.BROKEN))
    assert not notifier.wants(event(EventKind.DEPLOYED))
    assert box.notifier(receiver.port, 'kinds = ["deployed"]').wants(event(EventKind.DEPLOYED))


def test_a_server_that_refuses_it_is_a_failure_so_that_it_is_sent_again(box, receiver):
    receiver.status = 503
    with pytest.raises(HTTPError, match="503"):
        box.notifier(receiver.port).send(event(EventKind.BROKEN), CONTEXT)

"""The example of a notifier: a web server on the loopback gets what it posts, and looks at the signature."""

import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError

import pytest

from agent.config.loading import load
from agent.daemon import delivery
from agent.pki.encoding import Part, encode
from agent.sources import BUILT_IN
from agent.store.deliveries import failures_of
from agent.testing.sample_ca import SampleCa
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
    location: str = ""
    told: list[tuple[str, str, bytes]] = field(default_factory=list)
    """Path, signature and body of each request."""

    @property
    def heard(self) -> list[int]:
        """Numbers of the events that it was told, right or wrong signed."""
        return [json.loads(body)["id"] for _, _, body in self.told]


@contextmanager
def receiving(context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.told.append((self.path, self.headers["X-Signature-256"], body))
            self.send_response(receiver.status)
            if receiver.location:
                self.send_header("Location", receiver.location)
            self.end_headers()

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.port = server.server_port
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join(10)


class Telling(Example):
    name = "webhook"

    def notifier(self, port: int, more: str = "", scheme: str = "http") -> Notifier:
        secret = self.layout.rooted("/etc/chainwright/secrets/webhook")
        secret.parent.mkdir(exist_ok=True)
        secret.write_text(f"{KEY}\n")
        secret.chmod(0o600)
        url, key = f"{scheme}://127.0.0.1:{port}/events", "/etc/chainwright/secrets/webhook"
        self.settings(f'hostname = "gw"\n[notify.webhook]\nurl = "{url}"\nkey_file = "{key}"\n{more}\n')
        return load(self.layout, BUILT_IN)[0].notifiers["webhook"]

    def passes(self) -> list[int]:
        """Return the numbers of the events that the webhook is to be told."""
        with self.store() as store:
            return [each.id or 0 for each in store.journal.after(0, 10_000) if each.kind is EventKind.PASS_ENDED]

    def deliver(self) -> None:
        """Tell what is due now, as the agent's process does."""
        delivery.serve(self.layout, 0.0, clock=self.clock)

    def failure(self) -> str:
        """Return what a status says of the webhook; empty: nothing."""
        with self.store() as store:
            return "".join(each.problem.cause for each in store.conditions.of(failures_of("notify.webhook")))


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


# Through the agent's own delivery

PASSES = 'kinds = ["pass_ended"]'


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # an HTTPError has its connection with it
def test_what_a_server_refuses_is_told_again_after_pauses_and_never_twice_after_that(box, receiver):
    box.notifier(receiver.port, PASSES)
    box.apply()
    for attempt, (status, pause) in enumerate([(500, 10), (404, 60), (301, 300)], 1):
        receiver.status = status
        box.deliver()
        assert receiver.heard == box.passes()[:1] * attempt
        assert f"{status}" in box.failure()
        box.deliver()
        assert len(receiver.heard) == attempt
        box.clock.advance(seconds=pause)
    receiver.status, receiver.told[:] = 200, []
    box.apply()
    box.deliver()
    assert (receiver.heard, box.failure()) == (box.passes(), "")
    box.deliver()
    assert receiver.heard == box.passes()


def test_a_server_that_sends_on_to_another_address_has_not_been_told(box, receiver):
    box.notifier(receiver.port, PASSES)
    receiver.status, receiver.location = 302, "/login"
    box.apply()
    box.deliver()
    assert f"it is at another address, http://127.0.0.1:{receiver.port}/login" in box.failure()


def test_a_server_that_is_away_is_told_when_it_is_back(box):
    with receiving() as gone:
        box.notifier(gone.port, PASSES)
    box.apply()
    box.deliver()
    assert "Connection refused" in box.failure()


def test_only_a_server_whose_chain_is_trusted_is_told(box, monkeypatch, tmp_path):
    chain = SampleCa(datetime.now(UTC)).chain(["127.0.0.1"])
    assert chain.anchor
    (tmp_path / "server.pem").write_bytes(encode(chain, (Part.KEY, Part.FULLCHAIN)))
    (tmp_path / "root.pem").write_bytes(encode(chain, (Part.ROOT,)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    with receiving(context) as receiver:
        box.notifier(receiver.port, PASSES, scheme="https")
        box.apply()
        box.deliver()
        assert "certificate verify failed" in box.failure()
        assert receiver.told == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "root.pem"))
        box.clock.advance(seconds=10)
        box.deliver()
        assert (receiver.heard, box.failure()) == (box.passes(), "")

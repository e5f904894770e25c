"""Where the CA is, whether it is one, and whom its server is trusted by."""

import errno
import socket
import ssl
from datetime import UTC, datetime

import pytest
import requests

from agent.pki.account_key import make_account_key
from agent.sources.acme.client import AcmeClient
from agent.sources.acme.failures import CaUnreachable, Trouble
from agent.sources.acme.trust import trusting
from agent.sources.acme.unreachable import unreachable
from support.cas import certificates as toy_ca
from support.cas.stub_ca import StubCa
from support.cas.stub_server import Reply
from support.clients.acme import Monotonic, Waits, asking, failing
from support.fakes.source_context import utc_now
from support.ports import free_port
from support.servers.local import listening

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.fixture
def waits(context):
    context.pause = Waits()
    return context.pause


# Where the CA is


def test_nobody_listens(context, waits):
    client = AcmeClient(f"http://127.0.0.1:{free_port()}/dir", context.key, now=utc_now)
    failed = failing(client, context)
    assert (failed.trouble, failed.status) == (Trouble.NETWORK, None)
    assert failed.cause == "nobody listens there (connection refused)"
    assert len(waits.seconds) == 3
    client.close()


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        (Reply(302, headers={"Location": "/directory"}), "redirects more than 4 times"),
        (Reply(200, headers={"Content-Encoding": "gzip"}, body=b"no gzip"), "its answer can't be decoded"),
        (Reply(302, headers={"Location": "http://[::1"}), 'leads to "http://[::1", which is no http or https address'),
        (
            Reply(302, headers={"Location": "ftp://ca.example/"}),
            '"ftp://ca.example/", which is no http or https address',
        ),
    ],
    ids=["redirects", "encoding", "URL", "scheme"],
)
def test_answers_that_lead_nowhere_are_told(stub, context, waits, reply, cause):
    stub.script("directory", *[reply] * 200)
    client = AcmeClient(stub.directory_url, context.key, now=utc_now)
    assert cause in failing(client, context).cause
    assert len(stub.requests("directory")) <= 5
    assert waits.seconds == [], "no second try will be better"
    client.close()


@pytest.mark.parametrize(
    ("error", "cause", "sent"),
    [
        (requests.ConnectTimeout(), "no connection within 10 s", False),
        (requests.ReadTimeout(), "no answer within 30 s", True),
        (requests.ConnectionError(TimeoutError()), "no answer within 30 s", True),
        (requests.ConnectionError(OSError(errno.ENETUNREACH, "x")), "the network is unreachable", True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_who_does_not_answer_in_time_is_told(error, cause, sent):
    found = unreachable(error, "https://ca.example", "")
    assert (found.cause, found.sent, found.trouble) == (cause, sent, Trouble.NETWORK)


def test_orders_that_wait_for_the_directory_share_one_failure(context, waits):
    clock = Monotonic()
    client = AcmeClient(f"http://127.0.0.1:{free_port()}/dir", context.key, monotonic=clock, now=utc_now)
    assert failing(client, context) is failing(client, context)
    clock.at += 6
    failing(client, context)
    assert len(waits.seconds) == 6
    client.close()


def test_a_host_that_does_not_exist(context, waits, monkeypatch):
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
    client = AcmeClient("http://ca.invalid/dir", context.key, now=utc_now)
    assert failing(client, context).cause.startswith("its host name can't be resolved")
    client.close()


def test_a_proxy_of_the_environment_is_used_but_not_for_this_machine(stub, context, waits, monkeypatch):
    asked: list[bytes] = []
    causes: list[str] = []

    def answer(connection: socket.socket) -> None:
        asked.append(connection.recv(4096).partition(b" HTTP/")[0])
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with listening(answer) as proxy:
        for name in PROXIES:
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        for url in ("http://ca.invalid/dir", "https://ca.invalid/dir"):
            client = AcmeClient(url, context.key, now=utc_now)
            causes.append(failing(client, context).cause)
            client.close()
        with asking(stub, context) as near:
            near.new_order(context, ["www.example.com"])
    assert set(asked) == {b"GET http://ca.invalid/dir", b"CONNECT ca.invalid:443"}
    assert causes[1] == "through the proxy: tunnel connection failed: 403 forbidden"


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        (Reply(404, body=b"<html>"), "it answers with HTTP status 404 instead of what ACME says"),
        (Reply(404, "malformed", "not here"), 'it answers with HTTP status 404: "not here"'),
        (Reply(200, body=b"<html>"), "its answer is not the JSON object that it should be"),
        (Reply(200, body={"newOrder": "x", "newNonce": "y"}), "what stands there names no newAccount"),
    ],
    ids=["404", "404 problem", "page", "other JSON"],
)
def test_what_stands_at_the_address_is_no_directory(stub, context, reply, cause):
    stub.script("directory", reply)
    client = AcmeClient(stub.directory_url, context.key, now=utc_now)
    failed = failing(client, context)
    client.close()
    assert (failed.cause, failed.trouble) == (cause, Trouble.NO_DIRECTORY)


def test_a_resource_that_the_directory_does_not_name_is_told(stub, context):
    stub.without.add("keyChange")
    client = AcmeClient(stub.directory_url, make_account_key(), now=utc_now)
    with pytest.raises(CaUnreachable, match="its directory names no keyChange"):
        client.change_key(context, make_account_key())
    client.close()


def test_something_else_than_http_is_told(context, waits):
    with listening(lambda connection: connection.sendall(b"220 mail ESMTP\r\n")) as other:
        client = AcmeClient(f"http://127.0.0.1:{other.port}/dir", context.key, now=utc_now)
        assert failing(client, context).cause == "what answers is not HTTP"
        client.close()


# Whom to trust


@pytest.fixture
def tls_stub(tmp_path):
    now = datetime.now(UTC)
    root = toy_ca.root(now=now)
    leaf = root.leaf("127.0.0.1", now=now)
    (tmp_path / "root.pem").write_bytes(toy_ca.pem(root.certificate))
    (tmp_path / "leaf.pem").write_bytes(toy_ca.pem(leaf.certificate))
    (tmp_path / "leaf.key").write_bytes(toy_ca.key_pem(leaf.key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "leaf.pem", tmp_path / "leaf.key")
    made = StubCa(context)
    yield made
    made.close()


def failure_with(url: str, trust, context) -> CaUnreachable:
    client = AcmeClient(url, make_account_key(), trust=trust, now=utc_now)
    failed = failing(client, context)
    client.close()
    return failed


def test_a_private_ca_is_trusted_by_its_root_or_by_its_own_certificate(tls_stub, tmp_path, context):
    for file in ("root.pem", "leaf.pem"):
        client = AcmeClient(tls_stub.directory_url, make_account_key(), trust=tmp_path / file, now=utc_now)
        assert client.directory(context)["newOrder"] == f"{tls_stub.url}/newOrder"
        client.close()


def test_a_ca_that_nobody_vouches_for_is_not_asked_and_not_tried_again(tls_stub, tmp_path, waits, context):
    (tmp_path / "other.pem").write_bytes(toy_ca.pem(toy_ca.root("Other").certificate))
    for trust in (None, tmp_path / "other.pem"):
        failed = failure_with(tls_stub.directory_url, trust, context)
        assert (failed.trouble, failed.trust) == (Trouble.UNTRUSTED, str(trust or ""))
        assert failed.cause == "unable to get local issuer certificate"
    assert waits.seconds == []
    assert tls_stub.seen == []


def test_a_certificate_for_another_host_is_told(tls_stub, tmp_path, context):
    url = tls_stub.directory_url.replace("127.0.0.1", "localhost")
    failed = failure_with(url, tmp_path / "root.pem", context)
    assert failed.trouble is Trouble.UNTRUSTED
    assert failed.cause == "Hostname mismatch, certificate is not valid for 'localhost'"


@pytest.mark.parametrize(
    ("content", "cause"),
    [(None, "no such file or directory"), (b"", "it holds no certificate in PEM form"), (b"\x30\x82", "it holds no")],
)
def test_a_trust_file_that_can_t_be_used_is_named(tls_stub, tmp_path, waits, context, content, cause):
    file = tmp_path / "wrong.pem"
    if content is not None:
        file.write_bytes(content)
    failed = failure_with(tls_stub.directory_url, file, context)
    assert (failed.trouble, failed.trust) == (Trouble.TRUST_FILE, str(file))
    assert failed.cause.startswith(cause)
    assert waits.seconds == []


@pytest.mark.parametrize("content", [None, b"broken"])
def test_where_the_system_has_no_roots_those_of_the_library_are_taken(tmp_path, content):
    bundle = tmp_path / "ca-certificates.crt"
    if content:
        bundle.write_bytes(content)
    assert trusting(None, "https://ca.example", bundle).cert_store_stats()["x509_ca"] > 50


def test_a_server_without_tls_behind_https_is_told(stub, context):
    failed = failure_with(stub.directory_url.replace("http:", "https:"), None, context)
    assert failed.trouble is Trouble.NETWORK
    assert failed.cause.startswith("the TLS handshake fails")

"""A real CA behind a proxy that answers in its place: nothing that it says costs more than one order's failure.

Whatever comes, an order ends in bounded time and memory, with an error that says what came, and goes on when the CA is well.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agent.errors.acme import AcmeError, CaFailed, RevocationUndone
from agent.errors.source import SourceError
from agent.errors.wording import quoted
from agent.pki.account_key import make_account_key
from agent.sources.acme.client import MOST_ALTERNATES, AcmeClient
from agent.sources.acme.failures import CaUnreachable, Trouble
from support.cas.misbehaving import HEAD, Misbehaving, with_field, with_headers, without_field
from support.cas.pebble import Pebble
from support.cas.stub_server import Reply
from support.clients.acme import Waits, asking, failing
from support.fakes.orderer import Opened
from support.fakes.source_context import FakeSourceContext, utc_now

NAME = "www.behaving.test"
ORDER = "/order-plz"
MOVED = HEAD.replace(b"200 OK", b"302 Found").replace(b"\r\n", b"\r\nLocation: /\r\n", 1)
ENDPOINTS = {
    "directory": "/dir",
    "nonce": "/nonce-plz",
    "account": "/sign-me-up",
    "new order": ORDER,
    "authorization": "/authZ/",
    "challenge": "/chalZ/",
    "order": "/my-order/",
    "finalize": "/finalize-order/",
    "certificate": "/certZ/",
}


def at_each(*left_out: str) -> pytest.MarkDecorator:
    found = {name: path for name, path in ENDPOINTS.items() if name not in left_out}
    return pytest.mark.parametrize("path", found.values(), ids=found)


def failure(at: Opened, ca: Misbehaving) -> tuple[SourceError, Any]:
    """Return how an order fails, and what it saved; everything but the failure is quick."""
    orderer = at(ca, names="any")
    orderer.context.pause = Waits()
    context = orderer.order_context()
    with pytest.raises(SourceError) as failed:
        orderer.obtain(context, [NAME], time_limit=5)
    return failed.value, (orderer, dict(context.saved))


def heals(ca: Misbehaving, found: Any) -> None:
    """The next process, which knows what this one saved, gets its chain, and from an order that was there already."""
    orderer, saved = found
    ca.heals()
    ca.seen.clear()
    assert orderer.restarted().order(NAME, saved=saved).covers([NAME])
    assert len(ca.requests(ORDER)) == (0 if saved.get("url") else 1)


# What it answers


WORDS = "The database is down, we're sorry"


@at_each()
@pytest.mark.parametrize(
    ("status", "body"),
    [(500, WORDS), (502, f"<html><style>p {{}}</style><body><h1>{WORDS}</h1></body></html>")],
    ids=["text", "page"],
)
def test_what_a_server_says_to_people_is_told(at: Opened, misbehaving: Misbehaving, path: str, status: int, body: str):
    misbehaving.answers(path, Reply(status, body=body.encode()))
    error, found = failure(at, misbehaving)
    said = "" if path == "/nonce-plz" else f': "{WORDS}"'  # HEAD has no body
    assert error.problem.cause == (
        f"127.0.0.1 has a failure of its own: it answers with HTTP status {status} instead of what ACME says{said}."
    )
    heals(misbehaving, found)


@at_each("nonce")
@pytest.mark.parametrize("code", [503, 429])
def test_what_a_server_that_wants_to_be_left_alone_says_is_told(
    at: Opened, misbehaving: Misbehaving, path: str, code: int
):
    misbehaving.answers(path, Reply(code, body=b"<p>Back at noon.</p>", headers={"Retry-After": "3600"}))
    error, found = failure(at, misbehaving)
    assert error.problem.code == "source.ca_busy"
    assert error.problem.cause.endswith(" (Back at noon).")
    heals(misbehaving, found)


@pytest.mark.sampled(10)
@at_each("nonce")
@pytest.mark.parametrize(
    "body", [b"<html>Log in</html>", b"", b'{"status": "val', b"[" * 200_000], ids=["page", "empty", "cut", "deep"]
)
def test_an_answer_that_is_none_is_told_and_the_order_goes_on_later(
    at: Opened, misbehaving: Misbehaving, path: str, body: bytes
):
    misbehaving.edits(path, lambda reply: replace(reply, status=200, body=body))
    error, found = failure(at, misbehaving)
    assert "its answer is not the " in error.problem.cause
    assert ('"Log in"' in error.problem.cause) == (body == b"<html>Log in</html>")
    assert error.retry_at
    heals(misbehaving, found)


@at_each()
@pytest.mark.parametrize("head", [HEAD, MOVED], ids=["answer", "redirection"])
def test_an_answer_of_two_gigabytes_is_not_read(at: Opened, misbehaving: Misbehaving, path: str, head: bytes):
    misbehaving.answers(path, misbehaving.big(head))
    error, found = failure(at, misbehaving)
    if path != "/nonce-plz":  # HEAD has no body, so nothing of it is read
        assert "its answer is longer than 1 MB, and was not read further" in error.problem.cause
    assert misbehaving.sent < 500, "32 MB: what the kernel takes before the connection is closed"
    heals(misbehaving, found)


def test_an_answer_that_grows_when_it_is_unpacked_is_not_read(misbehaving: Misbehaving, context: FakeSourceContext):
    packed = zlib.compress(b"A" * 500_000_000, 1)
    misbehaving.answers("/dir", Reply(headers={"Content-Encoding": "deflate"}, body=packed))
    client = AcmeClient(misbehaving.directory_url, context.key, trust=misbehaving.trust_file, now=utc_now)
    assert failing(client, context).cause == "its answer is longer than 1 MB, and was not read further"
    client.close()


@pytest.mark.parametrize(
    "head", [HEAD % 100_000, b"HTTP/1.1 200 OK\r\nX-Name: ", b""], ids=["body", "headers", "status line"]
)
def test_an_answer_that_drips_ends_in_time(misbehaving: Misbehaving, context: FakeSourceContext, head: bytes):
    context.pause = Waits()
    misbehaving.answers("/dir", misbehaving.dripping(0.05, head))
    client = AcmeClient(
        misbehaving.directory_url, context.key, trust=misbehaving.trust_file, answer_timeout=0.5, now=utc_now
    )
    failed = failing(client, context)
    client.close()
    assert (failed.cause, failed.trouble) == ("its answer is not complete after 0.5 s", Trouble.NETWORK)
    assert len(misbehaving.requests("/dir")) == 2, "once more, and not as often as where no connection is made"


# Where it leads


@pytest.mark.sampled(9)
@at_each()
@pytest.mark.parametrize("target", ["http://127.0.0.1:9/", "file:///etc/passwd", "https://[::1"])
def test_a_redirection_to_what_is_not_https_is_not_followed(
    at: Opened, misbehaving: Misbehaving, path: str, target: str
):
    misbehaving.answers(path, Reply(302, headers={"Location": target}))
    error, found = failure(at, misbehaving)
    assert type(error) is CaFailed
    assert f'to "{target}"' in error.problem.cause
    heals(misbehaving, found)


@at_each()
def test_redirections_in_a_circle_end_soon(at: Opened, misbehaving: Misbehaving, path: str):
    misbehaving.answers(path, Reply(302, headers={"Location": f"{misbehaving.url}{path}"}))
    error, found = failure(at, misbehaving)
    assert "redirects " in error.problem.cause
    assert len(misbehaving.requests(path)) <= 5
    heals(misbehaving, found)


def test_a_directory_that_has_moved_is_followed(at: Opened, misbehaving: Misbehaving):
    misbehaving.edits("/old", lambda _gone: Reply(301, headers={"Location": "/dir"}))
    orderer = at(misbehaving)
    orderer.source = orderer.source.model_copy(update={"directory": f"{misbehaving.url}/old"})
    assert orderer.order(NAME).covers([NAME])


def test_a_host_that_it_leads_to_and_that_is_not_there_is_named(at: Opened, misbehaving: Misbehaving):
    misbehaving.answers("/dir", Reply(302, headers={"Location": "https://ca.invalid/"}))
    assert failure(at, misbehaving)[0].problem.cause.startswith("127.0.0.1 can't be reached at ca.invalid: ")


def test_a_directory_with_tls_that_names_addresses_without_is_not_believed(at: Opened, misbehaving: Misbehaving):
    misbehaving.edits("/dir", lambda reply: replace(reply, body=reply.content().replace(b"https:", b"http:")))
    error, found = failure(at, misbehaving)
    assert error.problem.cause.startswith('127.0.0.1 has a failure of its own: it leads to "http://127.0.0.1')
    heals(misbehaving, found)


def test_an_address_that_is_relative_is_the_server_s_own(at: Opened, misbehaving: Misbehaving):
    def relative(reply: Reply) -> Reply:
        where = reply.headers["Location"].removeprefix(misbehaving.url)
        return replace(reply, headers={**reply.headers, "Location": where})

    misbehaving.edits(ORDER, relative)
    assert at(misbehaving).order(NAME).covers([NAME])


def test_of_very_many_alternates_some_are_looked_at(at: Opened, misbehaving: Misbehaving):
    link = ", ".join(f'<{misbehaving.url}/certZ/{number}>;rel="alternate"' for number in range(300))
    misbehaving.edits("/certZ/", with_headers(Link=link))
    assert at(misbehaving, preferred_chain="Nobody").order(NAME).covers([NAME])
    assert len(misbehaving.requests("/certZ/")) == 1 + MOST_ALTERNATES


# What it says of an order


def test_an_order_that_never_gets_further_is_left_and_gone_on_with(at: Opened, misbehaving: Misbehaving):
    misbehaving.edits("/my-order/", with_field("status", "pending"))
    error, found = failure(at, misbehaving)
    assert error.problem.code == "source.order_unfinished"
    heals(misbehaving, found)


def test_an_order_that_is_valid_and_brings_nothing_is_told(at: Opened, misbehaving: Misbehaving):
    misbehaving.edits("/my-order/", without_field("certificate"))
    error, found = failure(at, misbehaving)
    assert error.problem.cause == (
        "127.0.0.1 has a failure of its own: it calls the order valid, but does not say where the certificate is."
    )
    heals(misbehaving, found)


@pytest.mark.parametrize("method", ["http-01", "tls-alpn-01"])
@pytest.mark.parametrize(
    ("name", "shown"), [("other.behaving.test", "other.behaving.test"), ("{}", "{}"), ("\x1b[2J", "\\x1b[2j")]
)
def test_a_name_that_nobody_has_ordered_is_not_proved(
    at: Opened, misbehaving: Misbehaving, tmp_path: Path, method: str, name: str, shown: str
):
    victim = tmp_path / "key.pem"
    victim.write_text("a key")
    path = "../" * 20 + str(tmp_path / "key").lstrip("/")
    name, shown = (each.format(path) for each in (name, shown))
    misbehaving.edits("/authZ/", with_field("identifier", {"type": "dns", "value": name}))
    error, _found = failure(partial(at, challenges=[method]), misbehaving)
    assert error.problem.cause == (
        f"127.0.0.1 has a failure of its own: it wants {quoted(name.lower())} to be proved, which is not in the order."
    )
    assert shown.lower()[:40] in error.problem.cause
    assert victim.read_text() == "a key"


def test_a_page_in_the_place_of_a_ca_has_revoked_nothing(
    at: Opened, misbehaving: Misbehaving, believing_pebble: Pebble
):
    orderer = at(misbehaving)
    chain = orderer.order(NAME)
    misbehaving.answers("/revoke-cert", Reply(body=b"<h1>Log in</h1>"))
    with pytest.raises(RevocationUndone) as undone:
        orderer.source.revoke(chain, "superseded", orderer.context)
    assert undone.value.problem.cause == (
        'The chain is not revoked: 127.0.0.1 has a failure of its own: its answer is not what ACME says: "Log in".'
    )
    assert undone.value.retry_at is None
    misbehaving.heals()
    orderer.source.revoke(chain, "superseded", orderer.context)
    assert believing_pebble.status_of(chain.leaf.serial_number) == "Revoked"


def test_a_page_in_the_place_of_a_ca_has_taken_no_other_account_key(
    misbehaving: Misbehaving, context: FakeSourceContext
):
    with asking(misbehaving, context) as client:
        before = client.thumbprint
        misbehaving.answers("/rollover-account-key", Reply(body=b"<h1>Log in</h1>"))
        with pytest.raises(CaUnreachable, match="Log in"):
            client.change_key(context, make_account_key())
        assert client.thumbprint == before


ODD: tuple[object, ...] = (
    None, 5, -1, 1e300, "", "x", [], {}, ["x"], {"x": "y"}, [None], True, "9999-12-31T23:59:59-12:00", "https://[::1",
    "A" * 100_000, {"a": {"a": {"a": [[[[]]]]}}},
)  # fmt: skip
MEMBERS = {
    "/dir": ("newNonce", "newAccount", "newOrder", "renewalInfo", "meta"),
    "/sign-me-up": ("status", "contact", "orders"),
    ORDER: ("status", "expires", "identifiers", "authorizations", "finalize", "error"),
    "/authZ/": ("status", "identifier", "challenges", "wildcard", "expires"),
    "/chalZ/": ("status", "url", "token", "type", "error", "validated"),
    "/my-order/": ("status", "certificate", "error", "authorizations"),
}


@pytest.mark.sampled(5)
@pytest.mark.parametrize(("path", "member"), [(path, each) for path, members in MEMBERS.items() for each in members])
def test_no_member_of_an_answer_makes_more_of_an_order_than_a_failure(
    at: Opened, misbehaving: Misbehaving, path: str, member: str
):
    for number, value in enumerate(ODD):
        misbehaving.heals()
        misbehaving.edits(path, with_field(member, value))
        orderer = at(misbehaving, names="any")
        orderer.context.pause = Waits()
        with suppress(AcmeError):
            assert orderer.obtain(orderer.order_context(), [f"odd-{number}.behaving.test"], time_limit=0.5)
        orderer.close()


@pytest.mark.sampled(10)
@pytest.mark.parametrize("header", ["Retry_After", "Date", "Replay_Nonce", "Link", "Location", "Content_Type"])
@pytest.mark.parametrize(
    "value", ["", "x", "-1", "9" * 400, "Fri, 31 Dec 9999 23:59:59 -1200", "<", '<>;rel="alternate"']
)
def test_no_header_of_an_answer_makes_more_of_an_order_than_a_failure(
    at: Opened, misbehaving: Misbehaving, header: str, value: str
):
    misbehaving.edits("", with_headers(**{header: value}))
    orderer = at(misbehaving, names="any")
    orderer.context.pause = Waits()
    with suppress(AcmeError):
        assert orderer.order(NAME)

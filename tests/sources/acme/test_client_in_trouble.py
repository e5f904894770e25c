"""What the client does when the CA, or the way to it, has trouble."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from agent.errors import OrderCancelled
from agent.sources.acme.client import AcmeClient
from agent.sources.acme.failures import CaProblem, CaUnreachable, Trouble
from agent.sources.acme.network import NONCE_FRESH_FOR
from agent.sources.acme.retries import JITTER, PAUSES
from support.cas import certificates as toy_ca
from support.cas.stub_server import Reply
from support.clients.acme import Monotonic, Waits, asking, csr_for, failing, proved
from support.fakes.source_context import FakeSourceContext, utc_now
from support.waiting import until


@pytest.fixture
def waits(context):
    context.pause = Waits()
    return context.pause


@pytest.fixture
def client(stub, context, waits):
    with asking(stub, context) as made:
        yield made


def about(seconds: float) -> object:
    return pytest.approx(seconds, rel=JITTER)


# Nonces


def test_sixteen_threads_get_through_though_three_of_ten_nonces_are_rejected(stub, context):
    rejects = random.Random(7)
    stub.reject = lambda: rejects.random() < 0.3
    with asking(stub, context) as client, ThreadPoolExecutor(16) as threads:
        orders = list(threads.map(lambda number: client.new_order(context, [f"{number}.example.com"]), range(160)))
    assert len({order.url for order in orders}) == 160
    assert len(stub.requests("newOrder")) > 200, "the rest were rejected"


def test_pebble_issues_everything_though_it_rejects_three_of_ten_nonces(pebble_with, context):
    ca = pebble_with(nonce_reject=30, always_valid=True)

    def issue(number: int) -> str:
        order = proved(client, context, client.new_order(context, [f"{number}.example.com"]))
        until(lambda: client.order(context, order.url).status == "ready")
        client.finalize(context, client.order(context, order.url), csr_for(order.names))
        until(lambda: client.order(context, order.url).status == "valid")
        return client.issued(context, client.order(context, order.url).certificate).pem

    with asking(ca, context) as client, ThreadPoolExecutor(16) as threads:
        chains = list(threads.map(issue, range(48)))
    assert len(set(chains)) == 48


def test_a_rejected_nonce_s_answer_brings_the_next_one(stub, client, context):
    stub.forget_nonces()
    client.new_order(context, ["www.example.com"])
    assert len(stub.requests("newOrder")) == 2
    assert len(stub.requests("newNonce")) == 1, "that of the first request ever"


def test_nonces_that_have_grown_old_are_not_used(stub, context):
    clock = Monotonic()
    with asking(stub, context, monotonic=clock) as client:
        clock.at += NONCE_FRESH_FOR + 1
        stub.forget_nonces()
        client.new_order(context, ["www.example.com"])
    assert len(stub.requests("newOrder")) == 1
    assert len(stub.requests("newNonce")) == 2


def test_a_ca_that_rejects_every_nonce_is_not_asked_for_ever(stub, client, waits, context):
    stub.reject = lambda: True
    with pytest.raises(CaProblem, match="badNonce"):
        client.new_order(context, ["www.example.com"])
    assert len(stub.requests("newOrder")) == 4 * 8
    assert len(waits.seconds) == 3


def test_a_request_whose_nonces_were_all_rejected_pauses_and_gets_through(stub, client, waits, context):
    stub.script("newOrder", *[Reply(400, "badNonce")] * 9)
    assert client.new_order(context, ["www.example.com"]).status == "pending"
    assert waits.seconds == [about(PAUSES[0])]


def test_a_ca_that_gives_no_nonce_is_named(stub, context):
    stub.script("newNonce", Reply(headers={"Replay-Nonce": ""}))
    client = AcmeClient(stub.directory_url, context.key, now=utc_now)
    failed = failing(client, context)
    client.close()
    assert (failed.cause, failed.trouble) == ("it gives no nonce", Trouble.BROKEN)


# Moments of trouble


def test_a_connection_that_broke_while_nothing_was_asked_is_no_trouble(stub, client, waits, context):
    stub.restart()
    client.new_order(context, ["www.example.com"])
    assert len(waits.seconds) <= 1
    assert len(stub.orders) == 1


@pytest.mark.parametrize("carried_out", [False, True])
def test_reading_and_answering_are_tried_again_when_no_answer_comes(stub, client, waits, carried_out, context):
    lost = Reply(lost=True, carried_out=carried_out)
    order = client.new_order(context, ["www.example.com"])
    for resource in ("order", "authorization", "challenge"):
        stub.script(resource, lost, lost, lost)
    assert proved(client, context, order).status == "ready"
    assert waits.seconds[:3] == [about(seconds) for seconds in PAUSES]


def test_a_new_order_is_sent_once_more_and_no_oftener_when_no_answer_comes(stub, client, context):
    lost = Reply(lost=True, carried_out=True)
    stub.script("newOrder", lost)
    client.new_order(context, ["www.example.com"])
    assert len(stub.requests("newOrder")) == 2
    stub.script("newOrder", lost, lost)
    assert failing(client, context).cause == "it broke the connection off"
    assert len(stub.requests("newOrder")) == 4


@pytest.mark.parametrize("nonces", [True, False], ids=["with a nonce", "without"])
def test_a_new_order_that_was_never_sent_is_tried_as_often_as_anything_else(stub, context, waits, nonces):
    clock = Monotonic()
    with asking(stub, context, monotonic=clock) as client:
        stub.server.stop()
        clock.at += 0 if nonces else NONCE_FRESH_FOR + 1
        assert failing(client, context).cause == "nobody listens there (connection refused)"
        assert len(waits.seconds) == 3
        stub.server.start()


@pytest.mark.parametrize("carried_out", [False, True])
def test_when_finalizing_gets_no_answer_the_order_is_looked_at_first(stub, client, carried_out, context):
    order = proved(client, context, client.new_order(context, ["www.example.com"]))
    stub.script("finalize", Reply(lost=True, carried_out=carried_out))
    stub.busy_polls = 1
    assert client.finalize(context, order, csr_for(order.names)).status == "processing"
    assert len(stub.requests("finalize")) == (1 if carried_out else 2)


def test_finalizing_gives_up_when_no_answer_ever_comes(stub, client, context):
    order = proved(client, context, client.new_order(context, ["www.example.com"]))
    stub.script("finalize", *[Reply(lost=True)] * 9)
    with pytest.raises(CaUnreachable, match="broke the connection off"):
        client.finalize(context, order, csr_for(order.names))
    assert len(stub.requests("finalize")) == 3


@pytest.mark.parametrize("reply", [Reply(500, "serverInternal"), Reply(502, body=b"<html>Bad Gateway</html>")])
def test_a_failure_of_the_ca_is_tried_again_at_once(stub, client, waits, reply, context):
    stub.script("newOrder", reply, reply)
    assert client.new_order(context, ["www.example.com"]).status == "pending"
    assert waits.seconds == [about(PAUSES[0]), about(PAUSES[1])]


def test_a_failure_that_lasts_is_told_after_three_tries_more(stub, client, waits, context):
    stub.script("newOrder", *[Reply(500, "serverInternal", "sorry")] * 9)
    with pytest.raises(CaProblem, match="serverInternal: sorry") as failed:
        client.new_order(context, ["www.example.com"])
    assert failed.value.resource == "newOrder"
    assert len(waits.seconds) == 3


@pytest.mark.parametrize(
    "reply",
    [
        Reply(429, "rateLimited"),
        Reply(403, "unauthorized"),
        Reply(400, "malformed"),
        Reply(404, body=b"<html>"),
        Reply(302, headers={"Location": "/elsewhere"}),
    ],
    ids=lambda reply: reply.status,
)
def test_a_refusal_is_not_asked_for_twice(stub, client, waits, reply, context):
    stub.script("newOrder", reply)
    with pytest.raises((CaProblem, CaUnreachable)):
        client.new_order(context, ["www.example.com"])
    assert waits.seconds == []
    assert len(stub.requests("newOrder")) == 1


def test_a_failure_that_is_to_last_longer_is_not_waited_for(stub, client, waits, context):
    stub.script("newOrder", Reply(500, "serverInternal", headers={"Retry-After": "60"}))
    with pytest.raises(CaProblem) as failed:
        client.new_order(context, ["www.example.com"])
    assert failed.value.retry_after == 60
    assert waits.seconds == []


def test_a_body_that_is_no_json_is_told(stub, client, context):
    stub.script("newOrder", Reply(201, body=b"<html>", headers={"Location": "https://ca.example/o"}))
    failed = failing(client, context)
    assert (failed.cause, failed.status) == ("its answer is not the JSON object that it should be", 201)


@pytest.mark.parametrize("missing", ["status", "finalize"])
def test_an_order_that_lacks_what_is_needed_is_told(stub, client, missing, context):
    body = {"status": "pending", "finalize": "https://ca.example/f"}
    del body[missing]
    stub.script("newOrder", Reply(201, headers={"Location": "https://ca.example/o"}, body=body))
    assert failing(client, context).cause == f"its answer lacks {missing}"


def test_an_order_without_an_address_is_told(stub, client, context):
    stub.script("newOrder", Reply(201, body={"status": "pending", "finalize": "https://ca.example/f"}))
    assert failing(client, context).cause == "its answer does not say where the new resource is"


def test_states_and_types_that_nobody_knows_are_read_as_they_are(stub, client, context):
    body = {
        "status": "pondering",
        "finalize": "f",
        "identifiers": [{"type": "dns", "value": "A.b"}],
        "expires": "soon",
    }
    stub.script("newOrder", Reply(201, headers={"Location": "https://ca.example/o"}, body=body))
    order = client.new_order(context, ["www.example.com"])
    assert (order.status, order.names, order.expires) == ("pondering", ("a.b",), None)


def test_an_error_without_a_type_of_a_server_that_fails_is_no_problem_document(stub, client, context):
    stub.script("newOrder", *[Reply(500, body={"message": "Internal Server Error"})] * 4)
    assert failing(client, context).cause == (
        'it answers with HTTP status 500 instead of what ACME says: "Internal Server Error"'
    )


def test_a_nonce_that_is_none_is_not_kept(stub, client, context):
    stub.script("newOrder", Reply(400, "malformed", headers={"Replay-Nonce": "a"}))
    with pytest.raises(CaProblem):
        client.new_order(context, ["www.example.com"])
    client.new_order(context, ["www.example.com"])
    assert len(stub.requests("newNonce")) == 2


def test_a_signing_request_and_a_revocation_that_are_refused_are_told(stub, client, context):
    order = proved(client, context, client.new_order(context, ["www.example.com"]))
    stub.script("finalize", Reply(400, "badCSR"))
    with pytest.raises(CaProblem, match="badCSR"):
        client.finalize(context, order, csr_for(order.names))
    stub.script("revokeCert", Reply(403, "unauthorized"))
    with pytest.raises(CaProblem, match="unauthorized"):
        client.revoke(context, toy_ca.root().certificate, 1)


def test_a_server_that_fails_while_the_order_is_finalized_is_told(stub, client, context):
    order = proved(client, context, client.new_order(context, ["www.example.com"]))
    stub.script("finalize", *[Reply(502, body=b"<html>")] * 4)
    with pytest.raises(CaUnreachable, match="502"):
        client.finalize(context, order, csr_for(order.names))


# Asked to wait


def test_a_ca_that_asks_everyone_to_wait_a_moment_gets_its_way(stub, context, waits):
    clock = Monotonic()

    def wait(seconds: float) -> None:
        waits(seconds)
        clock.at += seconds

    context.pause = wait
    with asking(stub, context, monotonic=clock) as client:
        stub.script("newOrder", Reply(503, body=b"busy", headers={"Retry-After": "7"}))
        client.new_order(context, ["www.example.com"])
    assert waits.seconds == [7]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(503, body=b"<html>maintenance</html>", headers={"Retry-After": "3600"}),
        Reply(503, "rateLimited", "Service busy; retry later.", headers={"Retry-After": "3600"}),
        Reply(429, body=b"slow down", headers={"Retry-After": "3600"}),
    ],
    ids=["503", "503 problem", "429"],
)
def test_while_a_ca_asks_everyone_to_wait_long_nobody_asks_it(stub, context, waits, reply):
    clock = Monotonic()
    with asking(stub, context, monotonic=clock) as client:
        order = client.new_order(context, ["www.example.com"])
        stub.script("newOrder", reply)
        with pytest.raises((CaProblem, CaUnreachable)) as first:
            client.new_order(context, ["www.example.com"])
        assert first.value.retry_after == 3600
        before = len(stub.seen)
        clock.at += 600
        with pytest.raises(CaUnreachable) as second:
            client.order(context, order.url)
        assert (second.value.trouble, second.value.retry_after) == (Trouble.BUSY, 3000)
        assert len(stub.seen) == before
        clock.at += 3001
        assert client.order(context, order.url).status == "pending"


def test_a_limit_for_one_order_holds_nobody_else_back(stub, client, context):
    limited = Reply(429, "rateLimited", headers={"Retry-After": "3600"})
    stub.script("newOrder", limited)
    with pytest.raises(CaProblem) as refused:
        client.new_order(context, ["www.example.com"])
    assert refused.value.retry_after == 3600
    assert client.new_order(context, ["other.example.com"]).status == "pending"


def test_a_request_ends_when_its_context_is_cancelled_and_others_go_on(tmp_path, context, client):
    other = FakeSourceContext(tmp_path)
    assert client.new_order(other, ["www.example.com"]).status == "pending"
    other.stop.set()
    with pytest.raises(OrderCancelled):
        client.new_order(other, ["www.example.com"])
    assert client.new_order(context, ["www.example.com"]).status == "pending"


def test_a_clock_that_jumps_in_the_middle_of_an_order_changes_nothing(stub, context):
    now = [datetime(1970, 1, 1, tzinfo=UTC)]
    with asking(stub, context, now=lambda: now[0]) as client:
        order = proved(client, context, client.new_order(context, ["www.example.com"]))
        before = len(stub.seen)
        now[0] = datetime.now(UTC)
        assert client.finalize(context, order, csr_for(order.names)).status == "processing"
        assert abs(client.skew.total_seconds()) < 60
        now[0] = datetime(2030, 1, 1, tzinfo=UTC)
        assert client.order(context, order.url).status == "valid"
    assert len(stub.seen) == before + 2, "neither the directory nor a nonce was fetched again"


# At the same time


def test_a_ca_that_fails_when_it_is_asked_two_things_at_once_is_asked_one_by_one(stub, context, waits):
    stub.fragile = True
    with asking(stub, context) as client, ThreadPoolExecutor(8) as threads:
        orders = list(threads.map(lambda number: client.new_order(context, [f"{number}.example.com"]), range(100)))
        assert client.pace.limit < 8
    assert len({order.url for order in orders}) == 100


def test_no_more_requests_are_under_way_than_the_pace_allows(stub, context):
    everyone = threading.Barrier(8)
    with asking(stub, context) as client, ThreadPoolExecutor(24) as threads:
        order = client.new_order(context, ["www.example.com"])
        usual = {"status": "pending", "finalize": "f"}
        stub.script("order", *[Reply(before=lambda: everyone.wait(20), carried_out=True, body=usual)] * 24)
        assert len(list(threads.map(lambda _: client.order(context, order.url), range(24)))) == 24
        assert 8 <= stub.most_at_once <= client.pace.limit

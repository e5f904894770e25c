"""Before a CA is asked: what it allows, what can be seen beforehand, and when it's asked all the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from agent.errors import OrderCancelled
from agent.errors.http01 import AnsweredByAnother
from agent.errors.limits import RateLimitAhead
from agent.errors.preflight import PreflightStopped
from agent.errors.validation import ValidationFailed
from agent.sources.acme.account_admin import AccountAdmin
from agent.sources.acme.challenges.track_record import TrackRecord
from agent.sources.acme.limit_rules import LETS_ENCRYPT
from agent.sources.acme.limits import Limits
from agent.sources.acme.steps import OrderStep
from support.cas.pebble import renewal_window
from support.cas.stub_ca import StubCa
from support.fakes.http01 import PATH, http, path_of, web
from support.fakes.orderer import Opened, Orderer
from support.fakes.source_context import utc_now
from support.servers.local import listening

NAME = "shop.chain.dev"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Clock:
    """A wall clock that a test turns."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


def looking(at: Opened, ca, **settings: object) -> tuple[Orderer, Clock]:
    """Return an appliance that looks at the CA's own DNS beforehand."""
    orderer, clock = at(ca, **{"preflight": True, "resolvers": ca.dns.address, **settings}), Clock()
    orderer.context.clock = clock
    return orderer, clock


@pytest.fixture
def forbidding(pebble_with):
    """A CA that CAA records forbid to certify `NAME`; it doesn't look at them itself."""
    ca = pebble_with()
    ca.dns.add_caa(NAME, ("issue", "other.example"))
    return ca


# Preflight


def test_where_nothing_stands_against_it_the_ca_is_asked(at: Opened, pebble_with):
    orderer, _clock = looking(at, pebble_with())
    assert orderer.order(NAME).covers([NAME])
    assert orderer.steps[:3] == [OrderStep.ACCOUNT, OrderStep.PREFLIGHT, OrderStep.ORDERED]


def test_what_is_certain_to_fail_stops_the_order_before_the_ca_is_asked(at: Opened, forbidding):
    orderer, _clock = looking(at, forbidding)
    with pytest.raises(PreflightStopped, match="CAA") as stopped:
        orderer.order(NAME, "fine.chain.dev")
    assert stopped.value.failed == {NAME}
    assert not stopped.value.counts
    assert forbidding.requests("/order-plz") == []


def test_who_looks_beforehand_is_told_that_no_method_helps_where_caa_forbids_it(at: Opened, forbidding):
    orderer, _clock = looking(at, forbidding)
    seen = AccountAdmin(orderer.source, orderer.context, "acme").look([NAME, "fine.chain.dev"])
    assert seen.would_fail
    assert {(each.name, each.how) for each in seen.ways if each.obstacle is None} == {
        (NAME, "what stops the order is mended"),
        ("fine.chain.dev", ""),
    }


def test_a_stopped_order_is_looked_at_again_soon_and_then_later(at: Opened, forbidding):
    orderer, clock = looking(at, forbidding)
    pauses = []
    for _ in range(4):
        with pytest.raises(PreflightStopped) as stopped:
            orderer.order(NAME)
        assert stopped.value.retry_at
        pauses.append(stopped.value.retry_at - clock())
        clock.ahead += timedelta(minutes=1)
    minutes = [round(pause.total_seconds() / 60) for pause in pauses]
    assert minutes[0] == 1
    assert 10 <= minutes[1] <= 11
    assert 100 <= minutes[2] <= 110
    assert 23 * 60 < minutes[3] <= 24 * 60


def test_a_stopped_order_is_asked_for_once_a_day_all_the_same(at: Opened, forbidding):
    orderer, clock = looking(at, forbidding)
    asked = []
    for hours in range(0, 76, 5):
        clock.ahead = hours * HOUR
        before = len(forbidding.requests("/order-plz"))
        with suppress(PreflightStopped):
            orderer.order(NAME)
        if len(forbidding.requests("/order-plz")) > before:
            asked.append(hours)
        orderer = orderer.restarted()
    assert asked == [25, 50, 75]


def test_a_person_who_insists_is_not_stopped(at: Opened, forbidding):
    orderer, _clock = looking(at, forbidding)
    assert orderer.order(NAME, forced=True).covers([NAME])
    assert OrderStep.PREFLIGHT not in orderer.steps


def test_the_settings_can_leave_the_preflight_out(at: Opened, forbidding):
    orderer, _clock = looking(at, forbidding, preflight=False)
    assert orderer.order(NAME).covers([NAME])


def test_what_may_fail_is_told_and_the_ca_decides(at: Opened, pebble_with):
    ca = pebble_with()
    ca.dns.set_servfail("odd.chain.dev")
    orderer, _clock = looking(at, ca)
    with pytest.raises(ValidationFailed):
        orderer.order("odd.chain.dev")
    assert "SERVFAIL" in orderer.said


def test_an_agent_that_stops_is_not_held_up_by_the_preflight(at: Opened, pebble_with):
    orderer, _clock = looking(at, pebble_with())
    orderer.order(NAME)
    orderer.context.stop.set()
    with pytest.raises(OrderCancelled):
        orderer.order("other.chain.dev")
    assert len(orderer.ca.requests("/order-plz")) == 1


# Who answers


@contextmanager
def stranger_at(port: int) -> Iterator[None]:
    """Somebody has the port at which a CA looks, and has never heard of it."""

    class Stranger(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *_args: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Stranger)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield
    server.shutdown()
    thread.join(20)
    server.server_close()


@pytest.fixture
def occupied(pebble_with) -> Iterator[object]:
    """A CA whose looks at this machine a stranger answers."""
    ca = pebble_with(always_valid=True)
    with stranger_at(ca.http_port):
        yield ca


def test_where_somebody_else_answers_nothing_is_ordered(at: Opened, occupied):
    orderer = at(occupied)
    context = orderer.order_context()
    with pytest.raises(AnsweredByAnother) as unanswered:
        orderer.obtain(context, [NAME])
    assert unanswered.value.failed == {NAME}
    assert occupied.requests("/order-plz") == []


def test_a_name_that_the_ca_may_know_is_ordered_but_it_s_not_told_to_look(at: Opened, occupied):
    orderer = at(occupied)
    TrackRecord(orderer.context.ledger, occupied.directory_url).note_proved([NAME])
    context = orderer.order_context()
    with pytest.raises(AnsweredByAnother):
        orderer.obtain(context, [NAME])
    assert occupied.requests("/chalZ/") == []
    assert context.saved["url"], "the order waits"


def test_a_name_that_the_ca_knows_needs_no_answer(at: Opened, pebble_with):
    ca = pebble_with(authz_reuse=100)
    orderer = at(ca)
    orderer.order(NAME)
    again = orderer.restarted()
    with stranger_at(ca.http_port):
        assert again.order(NAME).covers([NAME])


def test_somebody_else_at_the_address_that_the_ca_prefers_is_found_in_the_dns(at: Opened, pebble_with):
    ca = pebble_with()
    ca.dns.add_aaaa(NAME, "::1")
    orderer, _clock = looking(at, ca, names="any")
    ours = web(lambda lines: http("200 OK", f"{path_of(lines).removeprefix(PATH)}.{orderer.context.http01.thumbprint}"))
    strangers = web(lambda _lines: http("404 Not Found"))
    with listening(ours, port=ca.http_port), listening(strangers, host="::1", port=ca.http_port):
        with pytest.raises(
            AnsweredByAnother, match=r"listens at \[::1\]:\d+ says 404 Not Found; 127.0.0.1:\d+ answers rightly"
        ):
            orderer.order(NAME, "fine.chain.dev")
        assert ca.requests("/chalZ/") == []
        assert orderer.order("fine.chain.dev").covers(["fine.chain.dev"])


def test_the_order_that_waits_is_gone_on_with(at: Opened, occupied):
    orderer = at(occupied)
    TrackRecord(orderer.context.ledger, occupied.directory_url).note_proved([NAME])
    context = orderer.order_context()
    for _ in range(3):
        with pytest.raises(AnsweredByAnother):
            orderer.obtain(context, [NAME])
    orderer.obtain(orderer.order_context(saved=context.saved, forced=True), [NAME])
    assert len(occupied.requests("/order-plz")) == 1


def test_a_day_later_the_ca_is_told_to_look_all_the_same(at: Opened, occupied):
    orderer, clock = at(occupied), Clock()
    orderer.context.clock = clock
    with pytest.raises(AnsweredByAnother):
        orderer.order(NAME)
    clock.ahead = DAY + HOUR
    assert orderer.order(NAME).covers([NAME])


# What the CA allows


def test_a_limit_of_the_ca_is_not_run_into(at: Opened, pebble_with):
    orderer = at(pebble_with(), limits={"certificates_per_set": 1})
    orderer.order(NAME)
    with pytest.raises(RateLimitAhead) as limited:
        orderer.restarted().order(NAME)
    assert limited.value.retry_at
    assert limited.value.retry_at - utc_now() > timedelta(days=6)
    assert len(orderer.ca.requests("/order-plz")) == 1


@pytest.mark.parametrize(("begins", "exempt"), [(-HOUR, True), (HOUR, False)], ids=["now", "later"])
def test_a_renewal_inside_the_window_that_the_ca_suggests_is_exempt(
    at: Opened, pebble_with, begins: timedelta, exempt: bool
):
    orderer = at(pebble_with(), limits={"certificates_per_set": 1})
    chain = orderer.order(NAME)
    start = utc_now() + begins
    pem = chain.leaf.public_bytes(Encoding.PEM).decode()
    orderer.ca.set_renewal_info(pem, renewal_window(start, start + 2 * HOUR))
    if exempt:
        assert orderer.order(NAME, replaced=chain).id != chain.id
    else:
        with pytest.raises(RateLimitAhead):
            orderer.order(NAME, replaced=chain)


def test_where_the_ca_says_nothing_of_a_window_a_renewal_is_not_exempt(at: Opened, pebble_with):
    orderer = at(pebble_with(), limits={"certificates_per_set": 1})
    chain = orderer.order(NAME)
    orderer.ca.set_renewal_info(chain.leaf.public_bytes(Encoding.PEM).decode(), "nonsense")
    with pytest.raises(RateLimitAhead):
        orderer.order(NAME, replaced=chain)


def test_a_new_account_is_counted_when_it_is_made_and_not_when_it_is_found(at: Opened, stub: StubCa):
    orderer = at(stub)
    orderer.ca_context.limits = Limits(
        orderer.context.ledger, orderer.context.memory, LETS_ENCRYPT, stub.directory_url, "CA"
    )
    orderer.order(NAME)
    orderer.order("other.chain.dev")
    made = [kind for kind, _subject, _at in orderer.context.ledger.rows if kind.startswith("accounts")]
    assert len(made) == 1

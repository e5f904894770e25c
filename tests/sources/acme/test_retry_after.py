"""When a CA wants to be asked again, in whatever time zone the appliance stands."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from agent.sources.acme.failures import CaProblem
from agent.sources.acme.retry_after import LONGEST, http_date, polled, seconds_in_words, seconds_until
from support.cas.stub_server import Reply
from support.clients.acme import asking, csr_for, proved

THERE = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
BOULDER = "too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s, "


@pytest.fixture(params=["America/New_York", "Europe/Berlin", "UTC"])
def time_zone(request, monkeypatch):
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 5 ", 5),
        ("0", 0),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30),
        ("Mon, 23 Nov 2026 07:00:30 -0500", 30),
        ("Monday, 23-Nov-26 12:00:30 GMT", 30),
        ("Mon Nov 23 12:00:30 2026", 30),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0),
        ("9" * 400, LONGEST),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("Mon, 99 Nov 2026 12:00:30 GMT", None),
    ],
)
def test_seconds_and_every_form_of_an_http_date_are_read(time_zone, header, seconds):
    assert seconds_until(header, THERE) == seconds


@pytest.mark.parametrize(
    ("detail", "seconds"),
    [
        (f"{BOULDER}retry after 2026-11-23 12:01:00 UTC: see https://letsencrypt.org/docs/rate-limits/", 60),
        ("retry after 2026-11-23T12:01:00Z", 60),
        ("retry after 2026-11-22 12:01:00 UTC", 0),
        ("retry after 2026-99-22 12:01:00 UTC", None),
        ("retry after a while", None),
        ("", None),
    ],
)
def test_the_date_in_a_problem_s_detail_is_read(time_zone, detail, seconds):
    assert seconds_in_words(detail, THERE) == seconds


def test_nobody_polls_too_often_or_too_seldom():
    assert [polled(seconds) for seconds in (None, 0, 3, 3600)] == [None, 1, 3, 60]


def test_a_date_is_utc_even_when_it_does_not_say_so():
    assert http_date("Mon, 23 Nov 2026 12:00:30 -0000") == datetime(2026, 11, 23, 12, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "ours", [timedelta(), timedelta(days=-300), timedelta(hours=7)], ids=["right", "behind", "ahead"]
)
def test_a_date_is_meant_by_the_ca_s_clock_whatever_ours_shows(stub, context, time_zone, ours):
    stub.clock = lambda: THERE
    stub.busy_polls = 1
    with asking(stub, context, now=lambda: THERE + ours) as client:
        order = proved(client, context, client.new_order(context, ["www.example.com"]))
        client.finalize(context, order, csr_for(order.names))
        body = {"status": "processing", "finalize": "f"}
        stub.script("order", Reply(headers={"Retry-After": "Mon, 23 Nov 2026 12:00:05 GMT"}, body=body))
        assert client.order(context, order.url).retry_after == 5
        assert client.order(context, order.url).status == "processing"
        assert client.order(context, order.url).status == "valid"


def test_the_later_of_header_and_detail_counts(stub, context, time_zone):
    stub.clock = lambda: THERE
    with asking(stub, context) as client:
        detail = f"{BOULDER}retry after 2026-11-23 13:00:00 UTC"
        stub.script("newOrder", Reply(429, "rateLimited", detail, headers={"Retry-After": "60"}))
        with pytest.raises(CaProblem) as refused:
            client.new_order(context, ["www.example.com"])
        assert refused.value.retry_after == 3600

"""Logins and calls while somebody floods the API: nobody is locked out, and no administrator waits for a viewer."""

import asyncio
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from agent.api.access import Access, Caller
from agent.api.app import application
from agent.api.authentication import PeerProcesses
from agent.api.request import ApiResponse
from agent.api.routes import ROUTES
from agent.api.services import ApiServices
from agent.api.streams import Stream, Streams
from agent.auth import Accounts, Person, Role
from agent.errors.api import ServiceUnavailable
from support.appliances.api import ANN, VIC
from support.processes.api import ApiProcess


def log_in(box, user, password, address="192.0.2.7", **more):
    client = box.api.root.bearing("", address)
    del client.headers["Authorization"]
    return client.post("/v1/session", {"user": user, "password": password, **more})


def test_wrong_passwords_hold_their_own_address_back_and_no_other(box):
    for _ in range(5):
        assert log_in(box, "ann", "not it").status == 401
    reply = log_in(box, "ann", ANN)
    assert (reply.status, reply.code, reply.headers["retry-after"]) == (429, "people.too_many_tries", "1")
    assert log_in(box, "ann", ANN, "192.0.2.99").status == 201
    assert box.api.root.get("/v1/status").status == 200


def test_the_delay_outlasts_the_process_that_has_counted(box):
    for _ in range(9):
        log_in(box, "ann", "not it")
        box.api.advance(minutes=5)
    log_in(box, "ann", "not it")
    with ApiProcess(box.appliance.layout, web=(os.geteuid(),)) as another:
        reply = another.browser.post("/v1/session", {"user": "ann", "password": ANN})
        assert reply.code == "people.too_many_tries"


def test_a_browser_that_has_logged_in_before_is_let_in_beside_somebody_who_guesses_there(box):
    device = log_in(box, "ann", ANN).json["device"]
    assert device.startswith("cwd_")
    for name in ("ann", *(f"nobody{number}" for number in range(4))):
        for _ in range(6):
            log_in(box, name, "not it")
    assert log_in(box, "ann", ANN).status == 429
    reply = log_in(box, "ann", ANN, device=device)
    assert (reply.status, reply.json["device"]) == (201, "")
    assert box.api.root.bearing(device).get("/v1/status").code == "people.token_refused"  # it opens nothing


def test_a_flood_from_hundreds_of_networks_leaves_administrators_able_to_log_in(box):
    """From a browser that is known, and from the own network: both go before the flood, which is refused at once."""
    device = log_in(box, "ann", ANN).json["device"]
    over = []

    def flood(number):
        at = number
        codes = []
        while not over:
            at += 40
            codes.append(log_in(box, "ann", "not it", f"2a00:{at:x}::1").code)
        return codes

    with ThreadPoolExecutor(40) as pool:
        attackers = [pool.submit(flood, number) for number in range(40)]
        try:
            for more in ({"device": device}, {"address": "10.1.2.3"}):
                for _ in range(3):
                    assert log_in(box, "ann", ANN, **more).status == 201
        finally:
            over.append(True)
        codes = [code for each in attackers for code in each.result()]
    assert {"people.login_refused", "api.busy"} <= set(codes)


def test_a_full_queue_of_logins_refuses_at_once_and_says_when_to_come_again(box):
    def wrong(number):
        return log_in(box, "nobody", "not the password", f"2a00:{number:x}::1")

    with ThreadPoolExecutor(40) as pool:
        replies = list(pool.map(wrong, range(40)))
    busy = [each for each in replies if each.code == "api.busy"]
    assert len(busy) >= 10
    assert {(each.status, each.headers["retry-after"]) for each in busy} == {(503, "5")}


def test_a_viewer_who_logs_in_again_and_again_does_not_hold_an_administrator_back(box):
    vic, ann = (log_in(box, user, password).json["device"] for user, password in (("vic", VIC), ("ann", ANN)))
    over = []

    def again():
        while not over:
            log_in(box, "vic", VIC, device=vic)

    with ThreadPoolExecutor(30) as pool:
        for _ in range(30):
            pool.submit(again)
        try:
            assert [log_in(box, "ann", ANN, device=ann).status for _ in range(3)] == [201] * 3
        finally:
            over.append(True)


def test_what_anybody_sends_is_small(shared):
    reply = shared.api.browser.post("/v1/session", {"user": "ann", "password": "x" * 9000})
    assert (reply.status, reply.code) == (413, "api.too_large")


def test_failed_logins_are_one_row_and_one_line_a_minute(box):
    for number in range(4):
        log_in(box, "ann", "not it", f"198.51.100.{number}")
    for _ in range(3):
        log_in(box, "my password", "not it", "198.51.100.9")
    with box.appliance.store() as store:
        rows = [each for each in Accounts(store).audits() if each.action == "login failed"]
    assert sorted((each.who, each.address, each.times) for each in rows) == [
        *(("ann", f"198.51.100.{number}", 1) for number in range(4)),
        ("nobody", "198.51.100.9", 1),
        ("nobody", "198.51.100.9", 2),
    ]
    lines = [line for line in box.api.log.splitlines() if "failed, from" in line]
    assert lines == ["api: 1 login has failed, from 198.51.100.0"]
    assert "my password" not in box.api.log


def test_a_viewer_who_asks_as_much_as_he_can_is_the_one_who_is_refused(box):
    over = []

    def ask():
        codes = set()
        while not over:
            reply = box.viewer.get("/v1/status")
            codes.add(reply.status)
        return codes

    with ThreadPoolExecutor(100) as pool:
        asking = [pool.submit(ask) for _ in range(100)]
        try:
            assert [box.admin.get("/v1/status").status for _ in range(20)] == [200] * 20
        finally:
            over.append(True)
        assert {status for each in asking for status in each.result()} <= {200, 503}


def test_streams_are_bounded_for_each_person_and_administrators_have_places_of_their_own():
    """Each has its place from when its answer is made, before any of it is sent: so many may be asked for at once."""

    async def lines():
        yield b"x"

    async def sent(answer):
        async def receive():
            await asyncio.Event().wait()

        async def send(_message):
            pass

        await answer({"type": "http", "asgi": {"spec_version": "2.4"}}, receive, send)

    streams, answers = Streams(each=2, others=3, most=5), []

    def take(name, role):
        answers.append(Stream(streams.place(Caller(Person(name, role), "192.0.2.7")), lines()))

    for name in ("vic", "vic", "uma"):
        take(name, Role.VIEWER)
    for name in ("vic", "uma"):
        with pytest.raises(ServiceUnavailable):
            take(name, Role.VIEWER)
    for _ in range(2):
        take("ann", Role.ADMIN)
    with pytest.raises(ServiceUnavailable):
        take("bob", Role.ADMIN)
    for each in answers:
        asyncio.run(sent(each))
    take("vic", Role.VIEWER)
    asyncio.run(sent(answers[-1]))


def called(app, route, headers):
    """Return the status of an answer, and how much of the content was asked for before it."""
    asked, sent = [], []
    scope = {
        "type": "http",
        "method": route.method,
        "path": route.path.replace("{id}", "0" * 64),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "state": {"peer": os.geteuid(), "gone": lambda: False},
    }

    async def receive():
        asked.append(len(sent))
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message):
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], json.loads(b"".join(each.get("body", b"") for each in sent))["code"]


@pytest.mark.parametrize("route", [each for each in ROUTES if each.access is Access.ADMIN], ids=lambda each: each.path)
def test_a_viewer_s_call_is_refused_before_anything_is_read_or_done_for_it(shared, route):
    reached = []

    def handler(_request):
        reached.append("handler")
        return ApiResponse()

    class Unread:
        """A model that is never to be asked."""

        @staticmethod
        def model_validate_json(*_, **__):
            reached.append("content")

        model_validate = model_validate_json

    spied = replace(route, handler=handler, body=route.body and Unread, form=route.form and Unread, query=Unread)
    services = ApiServices(shared.appliance.layout, PeerProcesses(os.geteuid(), frozenset({os.geteuid()})))
    headers = {**shared.viewer.headers, "content-type": "multipart/form-data; boundary=x"}
    found = called(application(services, [spied]), route, {name.lower(): value for name, value in headers.items()})
    assert found == (403, "people.not_allowed")
    assert reached == []

"""A look waits for nobody who writes, and writes nothing; a change that can't be made now is told to come back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from agent.api.routes import ROUTES
from agent.auth import Accounts, Role
from agent.auth.person import TokenMaker
from agent.store.instants import written
from support.appliances.api import ANN, Box
from support.clients.api import Client
from support.processes.writing import writing

LOOKS = [route.path for route in ROUTES if route.method == "GET"]


@dataclass
class Known:
    """An appliance, and who looks at it: an administrator with a session, and a program with a token."""

    box: Box
    looking: tuple[Client, Client]


@pytest.fixture(scope="module")
def known(shared: Box) -> Iterator[Known]:
    now = datetime.now(UTC)
    with shared.appliance.store() as store:
        accounts = Accounts(store)
        text, token = accounts.make_token("monitor", Role.ADMIN, TokenMaker("ann", "ann"), now, timedelta(days=1))
        program = Client(shared.api.browser.path, {"Authorization": f"Bearer {text}"})
        yield Known(shared, (shared.admin, program))
        accounts.revoke_token(token.id)


def used_long_ago(box: Box) -> None:
    """Let the last use of sessions and tokens be so long ago that the next one is noted."""
    then = written(datetime.now(UTC) - timedelta(minutes=10))
    with box.appliance.store() as store, store.write():
        store.database.execute("update sessions set seen_at = ?", [then])
        store.database.execute("update sessions set opened_at = ?", [then])
        store.database.execute("update tokens set made_at = ?, used_at = ?", [then, then])


def uses(box: Box) -> list[tuple[str, ...]]:
    with box.appliance.store() as store:
        found = store.database.execute("select seen_at from sessions union all select used_at from tokens").fetchall()
        return sorted(found)


@pytest.mark.parametrize("path", LOOKS)
def test_every_look_is_answered_while_another_process_writes(known: Known, path: str) -> None:
    asked = path.replace("{id}", known.box.chain() if path.startswith("/v1/chains") else "0" * 64)
    expected = [client.get(asked).status for client in known.looking]
    used_long_ago(known.box)
    with writing(known.box.appliance.layout.database):
        assert [client.get(asked).status for client in known.looking] == expected
    assert max(expected) < 500


def test_the_use_of_a_session_and_a_token_is_noted_once_a_minute(known: Known) -> None:
    used_long_ago(known.box)
    before = uses(known.box)
    for client in known.looking:
        assert client.get("/v1/status").status == 200
    noted = uses(known.box)
    assert len([each for each in noted if each not in before]) == 2
    for client in known.looking:
        assert client.get("/v1/status").status == 200
    assert uses(known.box) == noted, "a look writes nothing"


def test_a_change_that_finds_the_database_busy_is_told_to_come_back(known: Known) -> None:
    with writing(known.box.appliance.layout.database):
        reply = known.box.api.browser.post("/v1/session", {"user": "ann", "password": ANN})
    assert (reply.status, reply.code) == (503, "store.database_busy")
    assert reply.headers["retry-after"] == "5"
    assert reply.json["fix"] == "Try again in a moment."
    assert known.box.api.browser.post("/v1/session", {"user": "ann", "password": ANN}).status == 201

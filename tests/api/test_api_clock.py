"""An administrator accepts the machine's clock over the API."""

from __future__ import annotations

import json

from agent.auth import Accounts
from agent.model.events import EventKind
from agent.system.clock import Clock

DAY = 86400


def doubted(box) -> Clock:
    """Have the appliance remember that its boot was two days earlier than the machine's clock says."""
    layout = box.appliance.layout
    clock = Clock(layout.root)
    clock.accept()
    memory = layout.private / "clock"
    noted = json.loads(memory.read_text())
    memory.write_text(json.dumps(noted | {"instant": noted["instant"] - 2 * DAY}))
    assert clock.doubt is not None
    return clock


def test_an_administrator_accepts_the_machine_s_clock(box):
    clock = doubted(box)
    refused = box.viewer.post("/v1/clock/accept")
    assert (refused.status, refused.code) == (403, "people.not_allowed")
    assert clock.doubt is not None
    reply = box.admin.post("/v1/clock/accept")
    assert reply.status == 200, reply
    assert clock.doubt is None
    assert set(reply.json) == {"believed"}
    with box.appliance.store() as store:
        row = next(iter(Accounts(store).audits()))
        (event,) = [each for each in store.journal.since() if each.kind is EventKind.CLOCK_BELIEVED]
    assert (row.who, row.action, row.address) == ("ann", "clock accepted", "192.0.2.7")
    assert row.detail.startswith("believed was ")
    assert event.text == "the machine's clock is believed again: ann said so"


def test_the_password_is_asked_for_once_more(late):
    clock = doubted(late)
    reply = late.admin.post("/v1/clock/accept")
    assert (reply.status, reply.code) == (403, "people.password_needed")
    assert clock.doubt is not None

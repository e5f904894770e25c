"""Chains in service are asked about: whether their CA wants them renewed, and whether it has revoked them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from agent.crl import RevocationLists
from agent.engine.inquiries import BEGUN, ask_about
from agent.errors import SourceError
from agent.errors.deploy import ChainGone
from agent.errors.operations import NotInLadder
from agent.errors.problem import rfc3339
from agent.errors.source import NotRevocable
from agent.errors.usage import UnknownChain
from agent.model.events import EventKind
from agent.model.records import Watch
from agent.operations.effects import Switch
from agent.operations.locked_state import LockedState
from agent.operations.reissue import reissue
from agent.operations.revocation import revoke_at_ca
from agent.operations.sources import source_context
from agent.operations.uploads import store_upload
from agent.pki.chain import Chain
from agent.planning import Inquire
from agent.store.orders import process_name
from support.appliances.keen import Keen
from support.cas import certificates as toy_ca
from support.cas import crls
from support.clients.terminal import Terminal
from support.waiting import until

NAME = "a.example.com"


@pytest.fixture
def keen(appliance) -> Keen:
    made = Keen(appliance)
    made.settings(alone=[NAME])
    made.appliance.apply()
    return made


def watch(keen: Keen) -> Watch | None:
    with keen.appliance.store() as store:
        return store.watches.of(keen.bound()[NAME].id)


def later(keen: Keen, **span: float) -> None:
    keen.appliance.clock.advance(**span)
    keen.appliance.apply()


def events(keen: Keen, kind: EventKind) -> list[str]:
    with keen.appliance.store() as store:
        return [event.text for event in store.journal.since() if event.kind is kind]


def due(keen: Keen) -> list[Inquire]:
    return [each for each in keen.appliance.engine().plan().actions if isinstance(each, Inquire)]


# When


def test_a_new_chain_is_asked_about_six_hours_after_it_came(keen):
    assert keen.said("inquired") == []
    assert keen.appliance.engine().plan().next_at <= keen.bound()[NAME].created_at + timedelta(hours=6)
    later(keen, hours=5)
    assert keen.said("inquired") == []
    later(keen, hours=1, minutes=1)
    assert [row["chain"] for row in keen.said("inquired")] == [keen.bound()[NAME].id]


def test_it_is_asked_about_again_when_its_ca_says_so(keen):
    keen.rules(inquiry={"again": 3600})
    later(keen, hours=7)
    later(keen, minutes=50)
    assert len(keen.said("inquired")) == 1
    later(keen, minutes=11)
    assert len(keen.said("inquired")) == 2


def test_a_ca_that_wants_to_be_asked_again_at_once_is_asked_a_minute_later(keen):
    keen.rules(inquiry={"again": -3600})
    later(keen, hours=7)
    assert len(keen.said("inquired")) == 1
    assert watch(keen).next_at > keen.appliance.clock()


def test_it_is_never_asked_about_again_when_there_is_nothing_more_to_ask(keen):
    keen.rules(inquiry="done")
    later(keen, hours=7)
    assert watch(keen).next_at is None
    later(keen, days=3)
    assert len(keen.said("inquired")) == 1


def test_chains_of_the_own_root_are_not_asked_about(keen):
    keen.settings(alone=[NAME], ladder='"local"')
    keen.appliance.apply()
    later(keen, days=3)
    assert keen.said("inquired") == []
    assert due(keen) == []


def test_a_dry_run_says_what_would_be_asked(keen):
    keen.appliance.clock.advance(hours=7)
    [action] = due(keen)
    assert (action.source, action.names, action.renewal, action.revocation) == ("keen", (NAME,), True, False)


def test_what_another_process_has_begun_to_ask_is_left_to_it_for_five_minutes(keen):
    keen.appliance.clock.advance(hours=7)
    keen.rules(inquiry="hangs")
    engine = keen.appliance.engine()
    engine.run_pass(wait=0)
    until(lambda: keen.said("inquired"), what="it is being asked")
    assert due(keen) == []
    keen.appliance.clock.advance(seconds=BEGUN.total_seconds() + 1)
    assert len(due(keen)) == 1, "the process that began is taken to be dead"
    engine.workers.stop(10)
    engine.run_pass(wait=0, orders=False)
    engine.workers.close()


# What comes of it


def test_a_chain_is_renewed_when_its_ca_says_so(keen):
    keen.rules(inquiry={"renew_in": 2})
    later(keen, hours=7)
    first = keen.bound()[NAME].id
    assert watch(keen).renew_at is not None
    keen.rules()
    later(keen, days=2, hours=1)
    assert keen.bound()[NAME].id != first


def test_what_the_ca_says_is_shown(keen):
    keen.rules(inquiry={"renew_in": 2, "why": "https://ca.example.test/why"})
    later(keen, hours=7)
    terminal = Terminal(keen.appliance.root)
    start, end = watch(keen).window
    [line] = [line for line in terminal.run("show", NAME).stdout.splitlines() if line.startswith("CA ")]
    said = f"suggests a renewal between {rfc3339(start)} and {rfc3339(end)}, see https://ca.example.test/why"
    assert line.split(maxsplit=1)[1] == said
    keen.rules(inquiry="fails")
    later(keen, hours=7)
    lines = terminal.run("show", NAME).stdout.splitlines()
    assert any(line.strip() == "The CA does not say." for line in lines)
    [shown] = json.loads(terminal.run("show", NAME, "--json").stdout)["chains"]
    assert shown["watch"]["problem"]["cause"] == "The CA does not say."


def test_what_is_known_of_a_chain_goes_with_it(keen):
    keen.rules(inquiry={"renew_in": 2})
    later(keen, hours=7)
    for _ in range(6):
        keen.rules(inquiry="done")
        keen.appliance.change(reissue, [NAME])
        later(keen, days=2)
    with keen.appliance.store() as store:
        assert set(store.watches.all()) <= {record.id for record in store.chains.records()}


def test_an_inquiry_that_fails_backs_off_is_said_once_and_changes_nothing(keen):
    keen.rules(inquiry="fails")
    waits = []
    for span in ({"hours": 7}, {"minutes": 2}, {"minutes": 11}, {"minutes": 101}, {"hours": 7}):
        later(keen, **span)
        waits.append(round((watch(keen).next_at - keen.appliance.clock()).total_seconds() / 60))
    assert waits == [1, 10, 100, 360, 360]
    assert watch(keen).attempts == 5
    assert watch(keen).problem["cause"] == "The CA does not say."
    assert events(keen, EventKind.INQUIRY_FAILED) == ["The CA does not say."]
    assert keen.sources() == {NAME: "keen"}
    keen.rules(inquiry="done")
    later(keen, hours=7)
    assert (watch(keen).attempts, watch(keen).problem) == (0, None)


def test_an_answer_that_is_none_is_a_defect_of_the_source(keen):
    plugin = keen.appliance.layout.plugins / "keen.py"
    plugin.write_text(plugin.read_text().replace("return Watch(", "return dict("))
    later(keen, hours=7)
    assert watch(keen).problem["code"] == "source.crashed"
    assert watch(keen).problem["cause"].endswith("TypeError: inquire() returned dict instead of a Watch.")


def test_a_chain_that_was_deleted_meanwhile_is_no_longer_asked_about(keen):
    def gone() -> Chain:
        raise ChainGone("f" * 64)

    action = Inquire("f" * 64, "keen", "nobody has asked yet", (NAME,), renewal=True, revocation=True)
    engine = keen.appliance.engine()
    with source_context(engine, "keen") as (source, context):
        finding = ask_about(action, gone, None, source, context, RevocationLists(), private=False)
    assert finding.watch.problem["code"] == ChainGone.code
    with keen.appliance.store() as store, store.write():
        store.watches.put(finding.watch)
    keen.appliance.apply()
    with keen.appliance.store() as store:
        assert store.watches.of("f" * 64) is None


def test_an_inquiry_that_takes_too_long_holds_no_order_up_and_is_made_in_the_next_run(keen):
    keen.appliance.clock.advance(hours=7)
    keen.rules(inquiry="hangs")
    keen.settings(alone=[NAME, "b.example.com"])
    result = keen.appliance.apply(timeout=3)
    assert not result.unfinished, "no order is"
    assert keen.sources() == {NAME: "keen", "b.example.com": "keen"}
    assert watch(keen) is None, "as if it had not been begun"
    assert len(due(keen)) == 1


# Revoked by hand


def ask_to_revoke(keen: Keen, chain: str, reason: str = "unspecified") -> list[Switch]:
    return revoke_at_ca(keen.appliance.engine(), chain, reason)


def test_a_chain_that_a_person_has_revoked_is_replaced_by_the_next_pass(keen):
    first = keen.bound()[NAME].id
    [switch] = ask_to_revoke(keen, first, "keyCompromise")
    assert (switch.slot, switch.before) == (NAME, first)
    assert keen.said("revoked") == [
        {"what": "revoked", "chain": first, "reason": "keyCompromise", "account": "https://ca.example.test/1"}
    ]
    [said] = events(keen, EventKind.CHAIN_REVOKED)
    assert said.startswith("its chain was revoked at 20")
    assert said.endswith("(keyCompromise): another one takes over")
    result = keen.appliance.apply()
    assert "keen delivered a chain for a.example.com" in result.performed
    assert keen.bound()[NAME].id != first
    assert keen.said("ordered")[-1]["replaced"] == first


def test_a_revoked_chain_gives_way_to_the_local_one_before_the_ca_is_asked(keen):
    ask_to_revoke(keen, keen.bound()[NAME].id, "keyCompromise")
    keen.rules(busy=True)
    keen.appliance.apply()
    assert keen.sources() == {NAME: "local"}
    issued = (keen.live / f"{NAME}.pem").read_text()
    with keen.appliance.store() as store:
        assert store.chains.certificates(keen.bound()[NAME].id).split("-----")[2] in issued


def test_a_chain_that_the_ca_does_not_revoke_stays(keen):
    first = keen.bound()[NAME].id
    keen.rules(revocation="fails")
    with pytest.raises(SourceError, match="does not revoke it"):
        ask_to_revoke(keen, first)
    keen.appliance.apply()
    assert keen.bound()[NAME].id == first


def test_what_would_take_over_is_said_before(keen):
    [switch] = keen.appliance.change(LockedState.without, keen.bound()[NAME].id)
    assert switch.slot == NAME


def test_a_local_chain_can_not_be_revoked(keen):
    keen.settings(alone=[NAME], ladder='"local"')
    keen.appliance.apply()
    with pytest.raises(NotRevocable):
        ask_to_revoke(keen, keen.bound()[NAME].id)


def test_a_source_that_is_not_in_the_ladder_can_not_be_asked(keen):
    first = keen.bound()[NAME].id
    keen.settings(alone=[NAME], ladder='"uploaded", "local"')
    with pytest.raises(NotInLadder, match="which is: uploaded, local"):
        ask_to_revoke(keen, first)


def test_a_chain_that_is_gone_can_not_be_revoked(keen):
    with pytest.raises(UnknownChain):
        ask_to_revoke(keen, "f" * 64)


def test_no_lease_is_left_behind(keen):
    ask_to_revoke(keen, keen.bound()[NAME].id)
    keen.appliance.apply()
    with keen.appliance.store() as store:
        leases = store.database.execute("select count(*) from orders where lease_process = ?", [process_name()])
        assert leases.fetchone() == (0,)


# Revoked by its CA


@pytest.fixture
def lists():
    with crls.WebServer() as server:
        yield server


@pytest.fixture
def listed(appliance, lists) -> Keen:
    """A CA that says where its list is, which is empty as yet."""
    made = Keen(appliance)
    made.rules(crl=[lists.url("/1.crl")], inquiry="done")
    made.settings(alone=[NAME])
    lists.pages["/1.crl"] = crls.crl(made.ca, now=appliance.clock())
    appliance.apply()
    return made


def revoke(keen: Keen, lists, serial: str) -> datetime:
    """Have the CA list a chain from now on. Return since when."""
    at = keen.appliance.clock().replace(microsecond=0) - timedelta(hours=1)
    entry = crls.revoked(int(serial, 16), "key_compromise", at)
    lists.pages["/1.crl"] = crls.crl(keen.ca, entry, now=keen.appliance.clock())
    return at


def test_a_chain_that_its_ca_has_revoked_is_replaced_in_the_same_run_which_is_said_once(listed, lists):
    first = listed.bound()[NAME]
    at = revoke(listed, lists, first.serial)
    listed.appliance.clock.advance(hours=7)
    result = listed.appliance.apply()
    second = listed.bound()[NAME]
    assert second.source == "keen"
    assert second.id != first.id
    assert listed.said("ordered")[-1]["replaced"] == first.id
    [said] = events(listed, EventKind.CHAIN_REVOKED)
    assert said == f"its chain was revoked at {rfc3339(at)} (keyCompromise): another one takes over"
    assert said in result.performed
    later(listed, hours=7)
    assert listed.bound()[NAME].id == second.id
    assert len(events(listed, EventKind.CHAIN_REVOKED)) == 1


def test_a_chain_that_is_not_on_the_list_is_looked_up_again_when_the_list_is_due(listed, lists):
    later(listed, hours=7)
    first = len(lists.requests)
    assert first == 1
    assert watch(listed).next_at is None
    assert watch(listed).crl_at is not None
    listed.appliance.clock.advance(days=1)
    listed.appliance.apply()
    assert len(lists.requests) == first + 1
    assert len(listed.said("inquired")) == 1, "its source has nothing more to say"


def test_a_list_is_fetched_once_for_all_chains_of_its_ca(listed, lists):
    listed.settings(alone=[f"{each}.example.com" for each in "abcdefgh"])
    listed.appliance.apply()
    lists.requests.clear()
    later(listed, hours=7)
    assert set(listed.sources().values()) == {"keen"}
    assert lists.paths == ["/1.crl"]


def test_a_list_that_can_not_be_had_is_a_note(listed, lists):
    lists.pages["/1.crl"] = 503
    later(listed, hours=7)
    assert listed.sources() == {NAME: "keen"}
    assert watch(listed).problem["code"] == "source.crl_unreachable"
    assert watch(listed).crl_at > listed.appliance.clock()
    assert len(events(listed, EventKind.INQUIRY_FAILED)) == 1


def upload(keen: Keen, lists) -> Chain:
    """Upload a chain whose list is on this machine."""
    points = toy_ca.crl_points(lists.url("/1.crl"))
    leaf = keen.ca.leaf(NAME, now=keen.appliance.clock(), extensions=points)
    bought = Chain.build(leaf.key, [leaf.certificate], [keen.ca.certificate])
    keen.appliance.change(store_upload, bought)
    keen.appliance.apply()
    return bought


def test_the_list_of_an_upload_in_a_private_network_is_fetched_only_where_the_settings_say_so(listed, lists):
    upload(listed, lists)
    assert listed.sources() == {NAME: "uploaded"}
    assert lists.requests == []
    assert watch(listed).problem["code"] == "source.crl_not_public"
    assert watch(listed).problem["fix"] == "If it is a CA of yours, write in the settings: [fetch] private = true"


def test_an_uploaded_chain_is_looked_up_at_once_and_gives_way_when_it_is_revoked(listed, lists):
    listed.settings(alone=[NAME], more="[fetch]\nprivate = true\n")
    bought = upload(listed, lists)
    assert listed.sources() == {NAME: "uploaded"}
    assert len(lists.requests) == 1
    revoke(listed, lists, bought.serial)
    later(listed, days=1)
    assert listed.sources() == {NAME: "keen"}


def test_an_uploaded_chain_without_a_list_is_not_asked_about(listed):
    leaf = listed.ca.leaf(NAME, now=listed.appliance.clock())
    listed.appliance.change(store_upload, Chain.build(leaf.key, [leaf.certificate], [listed.ca.certificate]))
    assert due(listed) == []

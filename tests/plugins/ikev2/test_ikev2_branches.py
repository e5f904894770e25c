"""A head office and a branch: what a change at one side does to the connection."""

import pytest

from support.appliances.ikev2_network import Conversation, echoing
from support.appliances.ikev2_pair import HEAD, NORTH
from support.waiting import until

pytestmark = pytest.mark.root


def test_the_branch_begins_the_connection_as_soon_as_it_has_its_certificate(pair):
    with echoing(pair.office.site), Conversation.to(pair.branch.site, pair.office.site.inner) as talk:
        assert talk.goes_on("hello")


def test_another_root_stops_the_connection_that_it_named_and_the_documented_steps_bring_it_back(pair):
    said = pair.office.command("root", "reissue", "--dry-run")
    assert "The connection north with north.example.test goes on." in said
    assert "stops" not in said
    said = pair.office.command("root", "reissue", "--now", "--dry-run")
    assert "The connection north with north.example.test stops until its peer has the new root" in said
    assert "It is up now (north.example.test at 10.99.0.2)" in said
    pair.office.command("root", "reissue", "--now", "--yes-reissue-root")
    pair.office.deploy()
    assert pair.up()
    pair.hang_up()
    assert "AUTH" in pair.dial()
    pair.take_home()
    until(pair.up, what="the connection is back")

    pair.office.command("root", "reissue", "--yes-reissue-root")
    pair.office.deploy()
    pair.take_home()
    with pair.office.store() as store, store.write():
        store.database.execute("update cross_certificates set obstacle = 'the branch has to know the root itself'")
    pair.office.command("root", "begin", "--yes-begin-signing")
    pair.office.deploy()
    pair.hang_up()
    assert pair.dial() == "", "the branch was given the next root with its certificate of the one before"
    assert told_of_peers(pair) == [
        f"{NORTH} still authenticates with a certificate of the root before, which is good until"
    ]
    pair.take_home()
    pair.hang_up()
    assert pair.dial() == ""
    assert told_of_peers(pair) == [], "it was seen with the new one"


def test_a_branch_whose_certificate_is_revoked_is_refused(pair):
    assert pair.office.command("ikev2", "list").split()[:3] == ["north", NORTH, "good"]
    pair.office.command("ikev2", "revoke", "north")
    pair.office.deploy()
    pair.hang_up()
    assert "AUTH_FAILED" in pair.dial()
    assert "revoked" in pair.office.command("ikev2", "show", "north")


def test_a_new_chain_of_the_head_office_leaves_the_connection_up(pair):
    with echoing(pair.office.site), Conversation.to(pair.branch.site, pair.office.site.inner) as talk:
        assert talk.goes_on("before")
        pair.office.command("reissue", HEAD)
        pair.office.deploy()
        assert talk.goes_on("after")
    pair.hang_up()
    assert pair.dial() == ""


def told_of_peers(pair):
    """Return what the head office says of the files that others have."""
    pair.office.engine().run_pass(wait=0)
    with pair.office.store() as store:
        found = [each.why for each in store.observations.all() if each.subject.startswith("peer ")]
    return [each.partition(" that is retired")[0] for each in found]

"""Connections between sites: charon never dials again where it was refused, so the agent does, and tells why it is down."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from agent.report import read_snapshot, report
from plugins.ikev2.configuration import Configuration
from plugins.ikev2.dial import reason_of
from plugins.ikev2.tunnels import tunnels
from support.appliances.ikev2_network import SiteAppliance
from support.appliances.ikev2_pair import TO_NORTH, Pair

NETWORK = pytest.mark.root
NORTH_GONE = "the other side refuses it: NO_PROPOSAL_CHOSEN"
NORTH_STRANGE = "the other side refuses it: AUTHENTICATION_FAILED"


def states(side: SiteAppliance) -> list[tuple[Any, ...]]:
    """Return what the agent of one side knows: subject, state, tries and what the last one said."""
    with side.store() as store:
        return [(each.subject, each.state, each.attempts, each.said) for each in store.observations.all()]


def pass_of(side: SiteAppliance) -> None:
    side.engine().run_pass(wait=0)


def ike_sas(side: SiteAppliance, name: str) -> int:
    with side.charon() as charon:
        return len(list(charon.list_sas({"ike": name})))


def forget(pair: Pair) -> None:
    """Take the connection away at the office, as `swanctl --load-all` does."""
    with pair.office.charon() as charon:
        charon.unload_conn({"name": "north"})


def expect_another(pair: Pair) -> None:
    """Have the office expect another name."""
    pair.office.configure(branches=[{**TO_NORTH, "peer": "south.example.test"}])
    pair.office.apply()


def expect_north(pair: Pair) -> None:
    pair.office.configure(branches=[TO_NORTH])
    pair.office.apply()


FAULTS = ((forget, lambda _: None, NORTH_GONE), (expect_another, expect_north, NORTH_STRANGE))


@NETWORK
def test_a_branch_that_was_refused_is_dialled_again_when_it_is_taken(pair):
    for breaks, mends, why in FAULTS:
        pass_of(pair.branch)
        pass_of(pair.office)
        assert states(pair.branch) == [("tunnel head", "up", 0, "")]
        assert states(pair.office) == [("tunnel north", "up", 0, "")]
        breaks(pair)
        pair.hang_up()
        pass_of(pair.branch)
        assert states(pair.branch) == [("tunnel head", "down", 1, why)]
        mends(pair)
        pass_of(pair.office)
        assert [each[:2] for each in states(pair.office)] == [("tunnel north", "down")]
        assert not findings(pair.office), "no alarm: the branch begins"
        assert "It is down: there is no IKE SA." in findings(pair.branch)[0]
        assert why in findings(pair.branch)[0]
        pass_of(pair.branch)
        assert states(pair.branch) == [("tunnel head", "down", 1, why)], "it is too early"
        pair.branch.clock.advance(seconds=31)
        pass_of(pair.branch)
        dial_by_hand(pair.branch)
        assert (ike_sas(pair.branch, "head"), ike_sas(pair.office, "north")) == (1, 1)
    assert "strongswan: tunnel head" in pair.branch.command("status")
    assert "tunnel head is up for" in pair.branch.command("explain", "ikev2")


def findings(side: SiteAppliance) -> list[str]:
    now = side.clock()
    found = report(read_snapshot(side.layout, now), now).findings
    return [each.problem.cause for each in found if each.problem.code == "status.observed"]


def dial_by_hand(branch: SiteAppliance) -> None:
    """Run what a pass runs where the connection is down."""
    with branch.store() as store:
        (known,) = json.loads(store.meta("observers") or "")["commands"]
    argv = [each.replace(".observe", ".dial") for each in known["argv"]]
    argv = branch.site.argv(*argv[:-1], "--connection", "head", argv[-1])
    assert subprocess.run(argv, timeout=30, check=False).returncode == 0


class Listing:
    """A charon that lists what a test says."""

    def __init__(self, *sas: dict[str, Any]) -> None:
        self.sas = sas

    def list_sas(self) -> Iterator[dict[str, Any]]:
        yield from ({"head": each} for each in self.sas)


def listed(*sas: dict[str, Any], begun: tuple[str, ...] = ("sites",)) -> tuple[bool, bool, str]:
    configuration = Configuration(connections={"head": {}, "road": {"pools": ["a"]}}, initiated={"head": [*begun]})
    (found,) = tunnels(Listing(*sas), configuration)
    return found.is_up, found.is_beginning, found.why


def sa(state: str, child: str = "INSTALLED", name: str = "sites") -> dict[str, Any]:
    children = {f"{name}-1": {"name": name, "state": child}} if child else {}
    return {"state": state, "child-sas": children}


@pytest.mark.parametrize(
    ("sas", "what"),
    [
        ((), (False, False, "there is no IKE SA")),
        ((sa("ESTABLISHED"),), (True, False, "")),
        ((sa("CONNECTING", ""),), (False, True, "the other side does not answer")),
        ((sa("REKEYING", "REKEYED"),), (True, False, "")),
        ((sa("DELETING"),), (False, False, "there is no IKE SA")),
        ((sa("ESTABLISHED", ""),), (False, False, "both sides know each other, and no network is connected")),
        (
            (sa("ESTABLISHED", name="others"),),
            (False, False, "both sides know each other, and no network is connected"),
        ),
        ((sa("DELETING"), sa("ESTABLISHED")), (True, False, "")),
    ],
    ids=range(8),
)
def test_a_connection_is_up_where_its_networks_are(sas, what):
    assert listed(*sas) == what


def test_one_that_the_other_side_begins_is_up_by_any_child():
    assert listed(sa("ESTABLISHED", name="others"), begun=()) == (True, False, "")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            ["parsed IKE_AUTH response 1 [ N(AUTH_FAILED) ]", "received AUTHENTICATION_FAILED notify error"],
            NORTH_STRANGE,
        ),
        (["received NO_PROPOSAL_CHOSEN notify error"], NORTH_GONE),
        (
            ["no trusted RSA public key found for 'hq.example.test'", "generating INFORMATIONAL request 2"],
            "this side refuses the other: no trusted RSA public key found for 'hq.example.test'",
        ),
        (["retransmit 1 of request with message ID 0"], "the other side does not answer"),
        (
            ["unable to resolve hq.example.test, initiate aborted"],
            "unable to resolve hq.example.test, initiate aborted",
        ),
        (["initiating IKE_SA head[1]"], "not established"),
    ],
    ids=range(6),
)
def test_why_it_stays_down_is_what_charon_says_of_it(said, reason):
    assert reason_of(said, "not established") == reason

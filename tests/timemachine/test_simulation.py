"""The simulation itself: its oracle sees what is wrong, its faults are real, and a long story gets short."""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from agent.errors.problem import Problem
from agent.model.finding import Finding, Severity, SubjectKind
from agent.model.root import RootRecord
from timemachine.appliance import Appliance, appliance
from timemachine.ca import Authority
from timemachine.clock import BEGIN
from timemachine.disk import Disk
from timemachine.facts import Facts
from timemachine.findings import Fact, FindingsOracle
from timemachine.killing import killed_pass
from timemachine.oracle import ACME, DAY, HOUR, Oracle
from timemachine.run import sites_of
from timemachine.story import Fault, Story, shortest, story_of
from timemachine.wire import Loaded, Service

LADDER = ("uploaded", "acme", "local")
NAME = "a90-0.chain.dev"


@pytest.fixture
def ca() -> Authority:
    return Authority("Simulated CA", 1, BEGIN)


@pytest.fixture
def oracle(ca: Authority) -> Oracle:
    return Oracle({ACME: ca, "company": Authority("Company CA", 2, BEGIN)})


@pytest.fixture
def box():
    with appliance(1, sites_of(4)) as made:
        made.boot()
        yield made


def loaded(ca: Authority, *names: str, days: float = 90) -> Loaded:
    chain = ca.sign(names, BEGIN, days * DAY)
    return Loaded(chain.id, chain.fingerprints, frozenset(names), chain.not_before, chain.not_after, paired=True)


def seen(oracle: Oracle, what: Loaded, begin: float, end: float) -> list[str]:
    """Let an endpoint serve something between two days, and return what the oracle says."""
    service = Service(Path("/nowhere"), serves={NAME: what})
    oracle.served(service, BEGIN + begin * DAY, BEGIN + end * DAY, LADDER)
    return [each.text.partition(" (")[0] for each in oracle.violations]


# The oracle


def test_a_good_chain_is_good(oracle, ca):
    assert seen(oracle, loaded(ca, NAME), 0, 80) == []


def test_an_expired_chain_is_seen(oracle, ca):
    assert seen(oracle, loaded(ca, NAME, days=6), 5, 7) == [f"{NAME} expired at 2026-12-07 04:59"]


def test_one_that_is_not_valid_yet_is_seen(oracle, ca):
    assert seen(oracle, loaded(ca, NAME), -2, -1) == [f"{NAME} is not valid before 2026-12-01 05:00"]


def test_one_for_another_name_is_seen(oracle, ca):
    assert seen(oracle, loaded(ca, "a90-1.chain.dev"), 0, 1) == [f"{NAME} is served a chain for a90-1.chain.dev"]


def test_one_that_is_revoked_is_seen_when_the_agent_could_know(oracle, ca):
    served = loaded(ca, NAME)
    ca.revoked[served.id] = BEGIN
    assert seen(oracle, served, 0, 2) == []
    assert seen(oracle, served, 2, 4) == [f"{NAME} is revoked"]


def test_a_local_chain_in_place_of_a_good_public_one_is_seen(oracle, ca):
    public = loaded(ca, NAME)
    assert seen(oracle, public, 0, 10) == []
    local = replace(public, id="f" * 64)
    assert seen(oracle, local, 10, 11) == [
        f"{NAME} is served by local while acme has a good chain that was served before"
    ]


def order(oracle: Oracle, ca: Authority, *days: float) -> list[str]:
    for day in days:
        ca.sign([NAME], BEGIN + day * DAY, 90 * DAY)
        ca.note([NAME], BEGIN + day * DAY, fulfilled=True)
    oracle.judge_orders(BEGIN + days[-1] * DAY)
    return [each.text for each in oracle.violations]


def test_an_order_in_time_is_needed(oracle, ca):
    assert order(oracle, ca, 0, 60, 120) == []


def test_an_order_long_before_the_end_is_seen(oracle, ca):
    assert order(oracle, ca, 0, 10) == [f"{NAME} was ordered with 89% of its lifetime left"]


def test_too_many_tries_in_a_day_are_seen(oracle, ca):
    for hour in range(12):
        ca.note([NAME], BEGIN + hour * HOUR, fulfilled=False)
    oracle.judge_orders(BEGIN + DAY)
    assert [each.text for each in oracle.violations] == [
        f"{NAME} was tried 11 times in a day",
        f"{NAME} was tried 12 times in a day",
    ]


def said(code: str, *, severity: Severity = Severity.WARNING, subject: str = "f" * 64, title: str = NAME) -> Finding:
    return Finding(SubjectKind.CHAIN, subject, severity, Problem(code, "It is so."), title=title)


def judged(oracle: Oracle, *findings: Finding, facts: Sequence[Fact] = ()) -> list[str]:
    FindingsOracle(oracle, {"m0": [NAME]}).judge(BEGIN, findings, facts)
    return [each.text for each in oracle.violations]


FALLBACK = Fact("fallback", NAME, "f" * 64, "m0", [NAME])


def test_a_finding_without_a_reason_is_false(oracle):
    assert judged(oracle, said("status.overdue")) == [f"status.overdue of chain {NAME}: It is so."]


def test_a_finding_with_a_reason_is_true(oracle):
    oracle.disturb(BEGIN - DAY, BEGIN + DAY, "away")
    assert judged(oracle, said("status.local_fallback"), facts=[FALLBACK]) == []


def test_a_finding_whose_reason_is_at_another_service_is_false(oracle):
    oracle.disturb(BEGIN - DAY, BEGIN + DAY, "refuses", ["c90-3.chain.dev"])
    assert judged(oracle, said("deploy.check_failed")) == [f"deploy.check_failed of chain {NAME}: It is so."]


def test_an_end_that_is_not_so_is_false(oracle, ca):
    oracle.disturb(BEGIN - DAY, BEGIN + DAY, "power")
    served = loaded(ca, NAME)
    assert judged(oracle, said("status.expired", subject=served.id)) == [f"status.expired of chain {NAME}: It is so."]


def test_what_nobody_says_is_missing(oracle):
    fact = Fact("expired", NAME, "f" * 64, "m0")
    assert judged(oracle, facts=[fact]) == [f"expired {NAME}: only nothing is said"]


@pytest.mark.parametrize(
    "finding",
    [
        said("status.local_fallback", severity=Severity.NOTICE),
        said("status.local_fallback", subject="e" * 64, title="a90-4.chain.dev"),
        said("status.clock"),
    ],
    ids=["notice", "of another chain", "of something else"],
)
def test_what_is_not_said_of_its_own_subject_is_missing(oracle, finding):
    oracle.disturb(BEGIN - DAY, BEGIN + DAY, "away")
    oracle.disturb(BEGIN - DAY, BEGIN + DAY, "leap")
    assert [each.partition(":")[0] for each in judged(oracle, finding, facts=[FALLBACK])] == [f"fallback {NAME}"]


def late(oracle: Oracle, served: Loaded, day: float) -> list[str]:
    services = {"m0": Service(Path("/nowhere"), serves={NAME: served})}
    return list(Facts(oracle, services, LADDER, BEGIN + day * DAY).late())


def test_a_chain_that_the_ca_would_renew_and_that_is_nearly_over_is_late(oracle, ca):
    served = loaded(ca, NAME)
    assert late(oracle, served, 70) == []
    assert late(oracle, served, 85) == [f"{NAME} of m0 is served by acme until 2027-03-01"]


def test_while_the_ca_is_away_nothing_is_late(oracle, ca):
    oracle.disturb(BEGIN + 60 * DAY, BEGIN + 84 * DAY, "away")
    assert late(oracle, loaded(ca, NAME), 85) == []


# Clients that know one root


def root_of(authority: Authority, *, retired: bool = False, replaced: bool = False) -> RootRecord:
    certificate = authority.root
    return RootRecord(
        certificate.fingerprint(SHA256()).hex(),
        certificate.subject.rfc4514_string(),
        *(certificate.not_valid_before_utc, certificate.not_valid_after_utc),
        authority.root_pem.decode(),
        BEGIN,
        retired_at=BEGIN if retired else None,
        replaced_at=BEGIN if replaced else None,
    )


def local(authority: Authority) -> Loaded:
    chain = authority.sign([NAME], BEGIN, 90 * DAY)
    pem = b"".join(each.public_bytes(Encoding.PEM) for each in (chain.leaf, authority.intermediate))
    return replace(loaded(authority, NAME), id="f" * 64, pem=pem, issuer=chain.leaf.issuer.public_bytes())


def refused(oracle: Oracle, served: Loaded, *roots: RootRecord) -> list[str]:
    oracle.clients.learn(BEGIN - DAY, roots)
    oracle.clients.learn(BEGIN, roots)
    service = Service(Path("/nowhere"), serves={NAME: served})
    oracle.served(service, BEGIN, BEGIN + DAY, LADDER)
    oracle.signed_by_retired(service, BEGIN + DAY)
    return [each.text.partition(": validation")[0] for each in oracle.violations]


def test_a_client_that_knows_the_root_takes_what_it_has_signed(oracle):
    own = Authority("Own", 3, BEGIN)
    assert refused(oracle, local(own), root_of(own)) == []


def test_a_client_that_knows_only_the_root_before_is_seen_to_refuse(oracle):
    own, former = Authority("Own", 3, BEGIN), Authority("Former", 4, BEGIN)
    found = refused(oracle, local(own), root_of(own), root_of(former, replaced=True))
    assert [each.partition(" refuses")[0] for each in found][:1] == [f"{NAME}: a client that knows only CN=Former Root"]


def test_a_root_that_is_retired_while_its_leaf_is_served_is_seen(oracle):
    own, former = Authority("Own", 3, BEGIN), Authority("Former", 4, BEGIN)
    former_chain = replace(local(former), issuer=former.root.subject.public_bytes())
    found = refused(oracle, former_chain, root_of(own), root_of(former, retired=True))
    assert f"{NAME} is served what CN=Former Root has signed, which was retired (ffffffff)" in found


def test_a_root_that_was_dropped_before_it_signed_is_not_enough(oracle):
    own, dropped = Authority("Own", 3, BEGIN), Authority("Dropped", 4, BEGIN)
    assert refused(oracle, local(own), root_of(own), root_of(dropped, retired=True)) == []


def test_who_knows_a_root_that_was_replaced_at_once_is_not_waited_for(oracle):
    own, former = Authority("Own", 3, BEGIN), Authority("Former", 4, BEGIN)
    oracle.clients.learn(BEGIN - DAY, [root_of(former)])
    oracle.clients.give_up()
    assert refused(oracle, local(own), root_of(own), root_of(former, retired=True)) == []


# The faults


def test_a_killed_pass_ends_in_the_middle_and_the_next_one_goes_on(box: Appliance):
    assert killed_pass(box, 20, lambda appliance, count: appliance.apply(count))
    assert len(box.ca.issued) <= 2
    box.apply()
    assert {name for each in box.wire.services.values() for name in each.serves} == {site.name for site in box.sites}


def test_a_pass_with_fewer_steps_is_not_killed(box: Appliance):
    box.apply()
    assert not killed_pass(box, 10_000, lambda appliance, count: appliance.apply(count))


def test_a_full_disk_refuses_files_and_rows(tmp_path: Path):
    disk, place = Disk(tmp_path), tmp_path / "file"
    with disk.watched():
        disk.full = True
        with pytest.raises(OSError, match="No space left") as caught:
            place.write_text("x")
        assert caught.value.errno == errno.ENOSPC
        disk.full = False
        place.write_text("x")


def test_a_database_can_not_grow_on_a_full_disk(tmp_path: Path):
    disk, place = Disk(tmp_path), tmp_path / "database"
    with contextlib.closing(sqlite3.connect(place)) as connection:
        connection.execute("create table words (word)")
    with disk.watched():
        disk.full = True
        connection = sqlite3.connect(place)
        place.read_bytes()
        with pytest.raises(sqlite3.OperationalError, match="full"):
            connection.execute("insert into words values (?)", ["x" * 100_000])
        connection.close()


# Stories


def test_a_seed_s_story_is_always_the_same():
    assert story_of(7, 2, 8) == story_of(7, 2, 8) != story_of(8, 2, 8)


def test_the_shortest_story_keeps_only_what_it_takes():
    culprits = {"full", "root"}
    faults = tuple(
        Fault(day, kind, 1.0, 0) for day, kind in enumerate(["away", "full", "leap", "root", "site", "away"])
    )
    story = Story(1, 1, 8, faults)
    found = shortest(story, lambda each: culprits <= {fault.kind for fault in each.faults})
    assert [fault.kind for fault in found.faults] == ["full", "root"]


def test_a_story_that_goes_wrong_without_any_fault_has_none():
    assert shortest(story_of(1, 1, 8), lambda _: True).faults == ()


def test_time_passes_only_forward():
    with appliance(1, sites_of(3)) as box:
        box.clock.advance_to(BEGIN + timedelta(days=1))
        box.clock.advance_to(BEGIN)
        assert box.clock.true == box.clock.wall == BEGIN + timedelta(days=1)


def test_settings_that_no_pass_has_read_yet_are_not_told_of(box: Appliance):
    box.configure()
    assert [each.problem.code for each in box.health().findings if each.subject == "settings"] == []

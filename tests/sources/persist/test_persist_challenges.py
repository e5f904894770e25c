"""What a CA asks for is compared with what is in the zone, before it is told to look."""

from __future__ import annotations

from typing import Any

import pytest

from agent.engine.record_looks import look
from agent.errors import persist
from agent.health.persistent import of_records
from agent.model.persistent import LONGEST_PERSISTENT, PersistentLook, owner_of
from agent.planning.actions import LookAtRecords
from agent.registry.sources import SourceHandle
from agent.sources import AcmeSource
from agent.sources.acme.challenges.dns_persist_01 import DnsPersist01Method
from agent.sources.acme.challenges.method import Answer
from agent.sources.acme.messages import Challenge
from agent.sources.acme.persist.asking import persist_account
from agent.sources.acme.persist.record import record_of
from agent.sources.acme.values import account_entry
from support.fakes.orderer import Orderer
from support.servers.zones import Zones

ZONE = "challenged.test"
NAME = f"*.{ZONE}"


@pytest.fixture(scope="module")
def zone(zones: Zones) -> str:
    return zones.add(ZONE, secondary=False)


@pytest.fixture
def orderer(pebble: Any, at: Any, zones: Zones) -> Orderer:
    made: Orderer = at(pebble, challenges=["dns-persist-01"], resolvers=[zones.place], dns_port=zones.port, names="any")
    return made


@pytest.fixture
def method(orderer: Orderer, zones: Zones, zone: str) -> DnsPersist01Method:
    """One that has seen the record."""
    ca, context = orderer.ca_context, orderer.context
    account = ca.account(context)
    made = DnsPersist01Method(orderer.source, ca, context, account)
    record = record_of(zone, persist_account(orderer.source, ca, context, account), wildcard=True)
    zones.bind9.update(zone, ("delete", record.owner, "TXT"), ("add", record.owner, "TXT", f'"{record.value}"'))
    outlook = made.prepare([NAME], retry_at=context.now())
    assert (outlook.failed, outlook.absent) == ({}, {})
    return made


def answer(**body: object) -> Answer:
    challenge = Challenge.from_json(
        {"type": "dns-persist-01", "url": "https://ca.example/c/1", "status": "pending", **body}
    )
    return Answer(name=NAME, domain=ZONE, challenge=challenge, token="", key_authorization="")


def test_both_drafts_say_for_which_ca_the_record_is(method: DnsPersist01Method, orderer: Orderer) -> None:
    for member in ("issuer-domain-names", "issuerDomainNames"):
        method.present([answer(**{member: ["other.test", "pebble.test"]})], retry_at=orderer.context.now())


def test_a_challenge_for_another_ca_is_told_with_the_record_that_it_needs(
    method: DnsPersist01Method, orderer: Orderer
) -> None:
    with pytest.raises(persist.IssuersDiffer) as caught:
        method.present([answer(issuerDomainNames=["new.test", "newer.test"])], retry_at=orderer.context.now())
    problem = caught.value.problem
    assert problem.cause == (
        f"127.0.0.1 looks for new.test, newer.test in the TXT record at {owner_of(ZONE)}, which has pebble.test."
    )
    assert problem.fix.startswith("Write, instead or beside it: new.test; accounturi=https://")
    assert problem.fix.endswith("; policy=wildcard")


@pytest.mark.parametrize("names", [[], ["x.test"] * 11, "pebble.test"])
def test_a_challenge_that_names_no_ca_is_not_answered(
    method: DnsPersist01Method, orderer: Orderer, names: object
) -> None:
    with pytest.raises(persist.ChallengeUnusable) as caught:
        method.present([answer(issuerDomainNames=names)], retry_at=orderer.context.now())
    assert caught.value.problem.cause == (
        f"The challenge of 127.0.0.1 for {NAME} can't be used: it does not say by which names the CA goes."
    )


def test_without_an_account_nothing_is_known_of_the_record(orderer: Orderer) -> None:
    made = DnsPersist01Method(orderer.source, orderer.ca_context, orderer.context, None)
    outlook = made.prepare([NAME], retry_at=orderer.context.now())
    assert outlook.absent == {
        NAME: f"its record names the account at the CA, which is not made yet: chainwright acme persist '{NAME}'"
    }


class Announcing(AcmeSource):
    """At a CA that takes such records only where its directory says so."""

    @property
    def announces_persist(self) -> bool:
        return True


def test_a_ca_that_has_to_announce_it_and_does_not_is_asked_for_no_account(orderer: Orderer) -> None:
    source, context = Announcing(**orderer.source.model_dump(exclude_unset=True)), orderer.context
    made = DnsPersist01Method(source, orderer.ca_context, context, None)
    assert made.prepare([NAME], retry_at=context.now()).absent == {NAME: "127.0.0.1 does not take it yet"}
    known = {ZONE: PersistentLook("acme", ZONE, names=(NAME,), proves=(NAME,))}
    (found,) = look(SourceHandle(source), LookAtRecords("acme", (NAME,)), known, context)
    assert (found.proves, found.value) == ((), "")
    assert found.asked_at is not None
    assert found.next_at == found.asked_at + LONGEST_PERSISTENT
    assert found.problem == persist.NotTaken("127.0.0.1").problem
    assert list(of_records([found], context.now())) == []
    assert not context.memory.read(account_entry(source.directory_url))


def test_what_can_not_be_proved_so_is_said_without_a_look(orderer: Orderer) -> None:
    made = DnsPersist01Method(orderer.source, orderer.ca_context, orderer.context, None)
    assert made.why_not("192.0.2.1") == "an address has no record"
    assert made.why_not(NAME) == ""

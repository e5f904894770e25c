"""Which method a name gets, and what is said where none is left."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from agent.errors import SourceError
from agent.errors.challenges import NothingProves
from agent.errors.order import ChallengeMissing
from agent.errors.preflight import PreflightStopped
from agent.sources.acme.challenges.challenge_type import ChallengeType
from agent.sources.acme.challenges.method import Answer, Method, Outlook
from agent.sources.acme.challenges.prospects import Prospects
from agent.sources.acme.challenges.refusal import refusal
from agent.sources.acme.challenges.track_record import TrackRecord
from agent.sources.acme.preflight.findings import Finding
from support.fakes.source_context import Noting, utc_now

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
NAME, OTHER, WILD = "www.example.com", "shop.example.com", "*.example.com"
CLOSED = SourceError("Port 80 is closed.", fix="Open it.")


class Scripted(Method):
    """A method that says what a test wants."""

    def __init__(
        self,
        without: Mapping[str, str] | None = None,
        failed: Mapping[str, SourceError] | None = None,
        absent: Mapping[str, str] | None = None,
    ) -> None:
        self.without, self.failed, self.absent = without or {}, failed or {}, absent or {}
        self.prepared: list[list[str]] = []

    def why_not(self, name: str) -> str:
        return self.without.get(name, "")

    def prepare(self, names: Collection[str], *, retry_at: datetime) -> Outlook:
        self.prepared.append(sorted(names))
        return Outlook(failed=self.failed, absent=self.absent)

    def present(self, answers: Sequence[Answer], *, retry_at: datetime) -> None:
        raise NotImplementedError

    def clean_up(self) -> None:
        raise NotImplementedError


class Web(Scripted):
    type: ClassVar[ChallengeType] = ChallengeType.HTTP_01


class Dns(Scripted):
    type: ClassVar[ChallengeType] = ChallengeType.DNS_01


class Tls(Scripted):
    type: ClassVar[ChallengeType] = ChallengeType.TLS_ALPN_01


def prospects(
    *methods: Scripted, doubted: Collection[ChallengeType] = (), names: Collection[str] = (NAME,)
) -> Prospects:
    found = Prospects(methods, lambda _name: doubted, lambda _warning: None)
    found.look(names, AT)
    return found


def test_the_first_method_that_works_is_taken_and_no_other_is_looked_at():
    web, dns = Web(), Dns()
    assert prospects(web, dns).choice(NAME) is web
    assert dns.prepared == []


def test_a_name_gets_the_next_method_where_the_first_fails():
    web, dns = Web(failed={NAME: CLOSED}), Dns()
    found = prospects(web, dns, names=(NAME, OTHER))
    assert (found.choice(NAME), found.choice(OTHER)) == (dns, web)
    assert dns.prepared == [[NAME]], "names are looked at together, and only where it matters"


def test_a_wildcard_gets_another_method_than_its_domain():
    web, dns = Web(without={WILD: "no wildcards"}), Dns()
    found = prospects(web, dns, names=("example.com", WILD))
    assert (found.choice("example.com"), found.choice(WILD)) == (web, dns)


def test_what_the_ca_offers_is_chosen_from():
    web, dns = Web(), Dns()
    found = prospects(web, dns)
    offered = {NAME: {"dns-01", "tls-alpn-01"}}
    found.look([NAME], AT, offered)
    assert found.choice(NAME, offered) is dns


def test_a_method_that_has_failed_lately_comes_last():
    web, dns = Web(), Dns()
    assert prospects(web, dns, doubted=[ChallengeType.HTTP_01]).choice(NAME) is dns
    assert prospects(web, doubted=[ChallengeType.HTTP_01]).choice(NAME) is web


def test_what_fails_is_tried_all_the_same_where_somebody_insists():
    web = Web(failed={NAME: CLOSED})
    found = prospects(web, Dns(without={NAME: "no table"}))
    assert found.choice(NAME) is None
    assert found.choice(NAME, anyway=True) is web


def test_what_the_preflight_has_found_speaks_against_one_method_only():
    web, dns = Web(), Dns()
    found = Prospects([web, dns], lambda _name: (), lambda _warning: None)
    found.bar([Finding(NAME, "nxdomain", "It is not there.", "Add it.", certain=True, methods=frozenset({"http-01"}))])
    found.look([NAME], AT)
    assert found.choice(NAME) is dns
    assert web.prepared == []
    found.unbar([NAME])
    found.look_at_all([NAME], AT)
    assert found.choice(NAME) is web


# Where none is left


def test_one_reason_for_all_names_is_said_as_it_is():
    found = prospects(
        Web(failed={NAME: CLOSED, OTHER: CLOSED}), Dns(without={NAME: "-", OTHER: "-"}), names=(NAME, OTHER)
    )
    assert refusal("ca.example", found, [NAME, OTHER], None, AT) is CLOSED


def test_what_the_preflight_has_found_for_several_names_is_one_error():
    names = (NAME, OTHER)
    findings = [
        Finding(each, "caa", f"No {each}.", "-", certain=True, methods=frozenset({"http-01"})) for each in names
    ]
    found = Prospects([Web()], lambda _name: (), lambda _warning: None)
    found.bar(findings)
    found.look(names, AT)
    error = refusal("ca.example", found, names, None, AT)
    assert isinstance(error, PreflightStopped)
    assert error.reasons == findings


def test_several_reasons_are_said_method_by_method():
    dns = Dns(absent={NAME: f"no table [dns.NAME] holds the zone of {NAME}: add one"})
    found = prospects(Web(failed={NAME: CLOSED}), dns, Tls(failed={NAME: SourceError("It is shut.")}))
    error = refusal("ca.example", found, [NAME], None, AT)
    assert isinstance(error, NothingProves)
    assert error.problem.lines() == [
        (
            "acme: ca.example was not asked, as nothing proves www.example.com: http-01: Port 80 is closed; "
            "dns-01: no table [dns.NAME] holds the zone of www.example.com: add one; tls-alpn-01: It is shut."
        ),
        "Open it.",
    ]
    assert error.problem.detail.splitlines() == [
        "www.example.com by http-01: Port 80 is closed Open it.",
        "www.example.com by dns-01: no table [dns.NAME] holds the zone of www.example.com: add one",
        "www.example.com by tls-alpn-01: It is shut",
    ]


@pytest.mark.parametrize("offered", [{"tls-alpn-01"}, set()])
def test_a_ca_that_offers_none_of_the_methods_is_told(offered: set[str]):
    found = prospects(Web(), Dns(without={NAME: "no table"}))
    found.look([NAME], AT, {NAME: offered})
    error = refusal("ca.example", found, [NAME], {NAME: offered}, AT)
    assert isinstance(error, ChallengeMissing)
    said = ", ".join(offered) or "nothing"
    assert error.problem.cause == f"ca.example does not let {NAME} be proved by http-01, dns-01; it offers {said}."


def test_a_method_that_the_ca_does_not_offer_is_told_beside_one_that_lacks_something():
    found = prospects(Web(), Dns(without={NAME: "no table"}))
    found.look([NAME], AT, {NAME: {"dns-01"}})
    error = refusal("ca.example", found, [NAME], {NAME: {"dns-01"}}, AT)
    assert error.problem.cause == (
        f"ca.example was not asked, as nothing proves {NAME}: "
        "http-01: the CA does not offer it for this name; dns-01: no table."
    )


# What is remembered


def test_a_method_is_doubted_until_the_name_is_proved():
    clock = [utc_now()]
    record = TrackRecord(Noting(lambda: clock[0]), "https://ca.example/directory")
    assert record.doubted(NAME, clock[0]) == frozenset()
    record.note_failed(ChallengeType.HTTP_01, [NAME])
    assert record.doubted(NAME, clock[0]) == {ChallengeType.HTTP_01}
    assert not record.may_be_known(NAME, clock[0])
    clock[0] += timedelta(hours=1)
    record.note_proved([NAME])
    assert record.doubted(NAME, clock[0]) == frozenset()
    assert record.may_be_known(NAME, clock[0])
    assert not record.may_be_known(NAME, clock[0] + timedelta(days=8))
    assert not TrackRecord(Noting(utc_now), "https://other.example/").may_be_known(NAME, clock[0])

"""What is wrong with sources is found once for all their orders, and is gone when it is mended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from agent.engine.source_findings import ACCOUNT, UNREACHED, source_findings
from agent.errors.account import AccountRefused
from agent.errors.acme import CaUnreached
from agent.model.finding import Severity, SubjectKind
from agent.model.records import ChainRecord, OrderRecord
from agent.pki.chain import KeyType, Purpose
from agent.sources import AcmeSource, LocalSource
from support.cas.certificates import DAY

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
OLD, NEW = "https://old.example/directory", "https://new.example/directory"
ACME = AcmeSource(directory=NEW)
LADDER = [ACME, LocalSource()]
UNREACHABLE = CaUnreached("new.example", "new.example", "no answer within 30 s", NOW).problem.to_json()
REFUSED = AccountRefused("new.example", "https://new.example/acct/1", "it is deactivated", NOW).problem.to_json()


def order(number: int, problem: Mapping[str, object] | None, attempts: int = 3, **more) -> OrderRecord:
    options = {"problem": problem, "attempts": attempts, "settings_digest": ACME.settings_digest, **more}
    return OrderRecord(f"request-{number}", "acme", **options)


def chain(origin: str, name: str = "shop.example.com", source: str = "acme") -> ChainRecord:
    return ChainRecord(
        name,
        source,
        (name,),
        KeyType.ECDSA_P256,
        (Purpose.SERVER,),
        "CA",
        "1",
        NOW,
        NOW + 90 * DAY,
        ("a", "b"),
        origin=origin,
    )


def found(*orders: OrderRecord, bound: list[ChainRecord] | None = None):
    return list(source_findings(LADDER, orders, bound or []))


def test_a_ca_that_can_t_be_reached_is_one_finding_for_all_its_orders():
    [finding] = found(*(order(number, UNREACHABLE, attempts=number) for number in range(5)))
    assert (finding.kind, finding.subject, finding.title) == (SubjectKind.CA, "acme", "new.example")
    assert finding.severity is Severity.WARNING
    assert finding.problem.cause == "new.example can't be reached: no answer within 30 s."
    assert finding.problem.retry_at == NOW


@pytest.mark.parametrize(("attempts", "severity"), [(1, Severity.NOTICE), (2, Severity.NOTICE), (3, Severity.WARNING)])
def test_somebody_should_act_when_a_ca_has_not_been_reached_for_a_while(attempts: int, severity: Severity):
    assert [each.severity for each in found(order(1, UNREACHABLE, attempts))] == [severity]


def test_an_account_that_is_refused_is_a_warning_at_once_with_the_command_that_mends_it():
    [finding] = found(order(1, REFUSED, attempts=1))
    assert finding.severity is Severity.WARNING
    assert "chainwright acme rekey" in finding.problem.fix


def test_two_kinds_of_trouble_are_two_findings():
    assert {each.problem.code for each in found(order(1, UNREACHABLE), order(2, REFUSED))} == {
        "source.ca_unreachable",
        "source.account_refused",
    }


@pytest.mark.parametrize(
    "harmless",
    [
        order(1, None),
        order(1, {**REFUSED, "code": "source.validation_failed"}),
        order(1, REFUSED, settings_digest="other"),
        replace(order(1, REFUSED), source="gone"),
    ],
    ids=["none", "about names", "other settings", "not in the ladder"],
)
def test_failures_about_anything_else_are_no_findings_about_the_ca(harmless: OrderRecord):
    assert found(harmless) == []


def test_a_source_that_crashes_is_a_finding_about_its_plugin():
    crashed = {**REFUSED, "code": "source.crashed", "cause": "The source failed."}
    [finding] = found(order(1, crashed))
    assert (finding.kind, finding.subject, finding.severity) == (SubjectKind.PLUGIN, "acme", Severity.WARNING)


def test_chains_of_a_ca_that_the_settings_no_longer_name_are_a_finding():
    bound = [
        chain(OLD),
        chain(OLD, "cart.example.com"),
        chain(NEW, "new.example.com"),
        chain("", "unknown.example.com"),
    ]
    [finding] = found(bound=bound)
    assert (finding.kind, finding.severity) == (SubjectKind.CA, Severity.WARNING)
    assert finding.problem.cause == (
        f"The settings name {NEW} now, and chains of {OLD} are in service for cart.example.com, shop.example.com."
    )
    assert finding.problem.fix.startswith("Replace them: chainwright reissue --all;")


@pytest.mark.parametrize("bound", [chain(NEW), chain(""), chain(OLD, source="local"), chain(OLD, source="gone")])
def test_chains_of_the_present_ca_of_an_unknown_one_or_of_other_sources_are_none(bound: ChainRecord):
    assert found(bound=[bound]) == []


def test_every_code_is_one_of_an_error():
    from agent.errors.base import AgentError

    def below(kind: type) -> set[str]:
        return {kind.code, *(code for each in kind.__subclasses__() for code in below(each))}

    assert below(AgentError) >= UNREACHED | ACCOUNT

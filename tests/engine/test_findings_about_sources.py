"""What is wrong with sources is found once for all their orders, and is gone when it is mended."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.contract.source import Source
from agent.engine.source_findings import ACCOUNT, UNREACHED, named_files, source_findings, with_unanswered
from agent.errors.account import AccountRefused
from agent.errors.acme import CaUnreached, TrustFileUnusable
from agent.errors.order import OrderUnfinished
from agent.errors.problem import Problem
from agent.model.finding import Finding, Severity, SubjectKind
from agent.model.records import ChainRecord, OrderRecord
from agent.pki.chain import KeyType, Purpose
from agent.sources import AcmeSource, LocalSource
from support.cas import certificates as toy_ca
from support.cas.certificates import DAY

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
HOUR = DAY / 24
OLD, NEW = "https://old.example/directory", "https://new.example/directory"
ACME = AcmeSource(directory=NEW)
LADDER = [ACME, LocalSource()]
UNREACHABLE = CaUnreached("new.example", "new.example", "no answer within 30 s", NOW).problem.to_json()
REFUSED = AccountRefused("new.example", "https://new.example/acct/1", "it is deactivated", NOW).problem.to_json()


def order(number: int, problem: Mapping[str, object] | None, attempts: int = 3, **more) -> OrderRecord:
    options = {"problem": problem, "attempts": attempts, "settings_digest": ACME.settings_digest, **more}
    return OrderRecord(request=f"request-{number}", source="acme", **options)


def chain(origin: str, name: str = "shop.example.com", source: str = "acme") -> ChainRecord:
    return ChainRecord(
        id=name,
        source=source,
        names=(name,),
        key_type=KeyType.ECDSA_P256,
        purposes=(Purpose.SERVER,),
        issuer="CA",
        serial="1",
        not_before=NOW,
        not_after=NOW + 90 * DAY,
        fingerprints=("a", "b"),
        origin=origin,
    )


def found(*orders: OrderRecord, bound: list[ChainRecord] | None = None):
    return list(source_findings(LADDER, orders, bound or [], Path))


def of_files(source: Source, root: Path):
    return list(source_findings([source], [], [], lambda path: root / path.lstrip("/")))


def test_a_ca_that_can_t_be_reached_is_one_finding_for_all_its_orders():
    [finding] = found(*(order(number, UNREACHABLE, attempts=number) for number in range(5)))
    assert (finding.kind, finding.subject, finding.title) == (SubjectKind.CA, "acme", "new.example")
    assert finding.severity is Severity.WARNING
    assert finding.problem.cause == "new.example can't be reached: no answer within 30 s."
    assert finding.problem.retry_at == NOW


@pytest.mark.parametrize(("attempts", "severity"), [(1, Severity.NOTICE), (2, Severity.NOTICE), (3, Severity.WARNING)])
def test_somebody_should_act_when_a_ca_has_not_been_reached_for_a_while(attempts: int, severity: Severity):
    assert [each.severity for each in found(order(1, UNREACHABLE, attempts))] == [severity]


@pytest.mark.parametrize(
    ("times", "given_up"),
    [
        ({"tried_at": NOW, "retry_at": NOW + HOUR}, False),
        ({"tried_at": NOW - 2 * HOUR, "retry_at": NOW - HOUR / 2}, False),
        ({"tried_at": NOW - 3 * DAY, "retry_at": NOW - 2 * DAY}, True),
        ({"tried_at": NOW + 15 * DAY, "retry_at": NOW + 16 * DAY}, True),
        ({"tried_at": NOW - 3 * DAY, "retry_at": None}, False),
    ],
    ids=["it waits", "it is due", "its chain is not due any more", "the clock was ahead", "it is not tried by itself"],
)
def test_what_nobody_tries_again_tells_nothing_of_its_ca(times: dict[str, datetime | None], given_up: bool):
    assert order(1, UNREACHABLE, **times).is_given_up(NOW) is given_up


def earlier(problem: Mapping[str, object], title: str = "new.example") -> Finding:
    told = Problem.from_json(dict(problem))
    return Finding(SubjectKind.CA, "acme", Severity.WARNING, told, NOW - DAY, title)


def test_a_ca_that_is_asked_again_is_out_of_reach_since_the_first_time_until_it_answers():
    before = earlier(UNREACHABLE)
    assert list(with_unanswered(LADDER, found(order(1, None)), [before], {"acme"})) == [before]
    assert list(with_unanswered(LADDER, found(order(1, None)), [before], set())) == [], "it has answered"
    assert list(with_unanswered([LocalSource()], [], [before], {"acme"})) == [], "nobody asks it any more"
    assert list(with_unanswered(LADDER, [], [earlier(UNREACHABLE, "old.example")], {"acme"})) == [], "it is another CA"
    assert list(with_unanswered(LADDER, [], [earlier(REFUSED)], {"acme"})) == [], "it was reached"


def test_a_ca_that_fails_in_another_way_is_out_of_reach_since_the_first():
    busy = {**UNREACHABLE, "code": "source.ca_busy"}
    [finding] = with_unanswered(LADDER, found(order(1, busy)), [earlier(UNREACHABLE)], {"acme"})
    assert (finding.problem.code, finding.since) == ("source.ca_busy", NOW - DAY)


def test_an_account_that_is_refused_is_a_warning_at_once_with_the_command_that_mends_it():
    [finding] = found(order(1, REFUSED, attempts=1))
    assert finding.severity is Severity.WARNING
    assert "chainwright acme rekey" in finding.problem.fix


@pytest.mark.parametrize(("attempts", "severity"), [(1, Severity.NOTICE), (3, Severity.WARNING)])
def test_a_ca_that_finishes_no_order_is_a_finding_and_was_reached(attempts: int, severity: Severity):
    slow = OrderUnfinished("new.example", 5, NOW).problem.to_json()
    [finding] = found(order(1, slow, attempts=attempts))
    assert (finding.kind, finding.severity) == (SubjectKind.CA, severity)
    assert finding.problem.cause == "new.example has not finished the order within 5 minutes."
    assert list(with_unanswered(LADDER, [], [earlier(slow)], {"acme"})) == []


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


def without_a_file(file: Path) -> None:
    file.unlink(missing_ok=True)


def that_others_can_write(file: Path) -> None:
    file.touch()
    file.chmod(0o666)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (without_a_file, "no such file or directory"),
        (lambda file: file.write_text("not PEM"), "it holds no certificate in PEM form"),
        (os.mkfifo, "it is not a regular file"),
        (that_others_can_write, "every user can write to it (mode 0666); chmod go-w {file}"),
    ],
    ids=["missing", "no certificate", "a pipe", "open to others"],
)
def test_a_file_of_the_settings_that_an_order_could_not_use_is_told_long_before_one(
    tmp_path: Path, spoil: Callable[[Path], object], why: str
):
    file = tmp_path / "company.pem"
    spoil(file)
    source = AcmeSource(directory=NEW, trust="/company.pem")
    [finding] = of_files(source, tmp_path)
    assert (finding.kind, finding.subject, finding.severity) == (SubjectKind.CA, "acme", Severity.WARNING)
    assert finding.problem == TrustFileUnusable(str(file), why.format(file=file)).problem


def test_a_file_that_is_there_again_is_no_finding_whatever_the_last_order_said(tmp_path: Path):
    root = toy_ca.root()
    (tmp_path / "company.pem").write_bytes(toy_ca.pem(root.certificate))
    source = AcmeSource(directory=NEW, trust="/company.pem")
    failed = order(1, TrustFileUnusable("/company.pem", "no such file or directory").problem.to_json())
    failed = replace(failed, settings_digest=source.settings_digest)
    assert list(source_findings([source], [failed], [], lambda path: tmp_path / path.lstrip("/"))) == []


class Odd(LocalSource):
    name = "odd"

    def check_files(self, rooted: Callable[[str], Path]) -> None:
        raise RuntimeError("odd")

    @property
    def named_files(self) -> tuple[str, ...]:
        raise RuntimeError("odd")


def test_a_source_that_can_t_look_at_its_files_is_a_finding_about_its_plugin_and_stops_no_other():
    broken, missing = source_findings([Odd(), AcmeSource(trust="/nowhere/ca.pem")], [], [], Path)
    assert (broken.kind, broken.subject, broken.problem.effect) == (SubjectKind.PLUGIN, "odd", "")
    assert broken.problem.cause == "The source failed in check_files: RuntimeError: odd."
    assert missing.problem.code == "source.trust_file"


def test_a_pass_follows_the_files_that_sources_name():
    assert list(named_files([Odd(), ACME, AcmeSource(trust="/etc/ca.pem")], Path)) == [Path("/etc/ca.pem")]


def test_every_code_is_one_of_an_error():
    from agent.errors.base import AgentError

    def below(kind: type) -> set[str]:
        return {kind.code, *(code for each in kind.__subclasses__() for code in below(each))}

    assert below(AgentError) >= UNREACHED | ACCOUNT

"""Findings: what somebody should know, from the rows of the store, from what passes have noted, and from time alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from agent.errors.deploy import NotIncluded
from agent.errors.plugin import PluginHangs
from agent.errors.problem import Problem, rfc3339
from agent.health.assessment import health
from agent.health.snapshot import Snapshot
from agent.health.states import Status
from agent.model.binding import Binding, LadderPosition
from agent.model.deployment import Deployment, EndpointRecord, Outcome
from agent.model.finding import Finding, Severity, SubjectKind
from agent.model.peer import Peer
from agent.model.root import CrossCertificate, RootRecord
from agent.pki.chain import Purpose
from agent.store.modules import ModuleRecord
from support.fakes.ladder import DAY, NOW, ROOT, local, need, upload

MAIL = ModuleRecord("mail", "mail", "Mail", enabled=True, services=(), problem=None)
WWW = need()
OWN = Problem("test.noted", "It was noted.", "here", "Mend it.")
OLD_ROOT = RootRecord(ROOT, "gw Root CA", NOW - 3650 * DAY, NOW + 364 * DAY, "", NOW, None)


def served(chain, *, standing=LadderPosition.WANTED, **more) -> Snapshot:
    """Return a store in which one chain is bound and in service."""
    values = {
        "chains": (chain,),
        "modules": (MAIL,),
        "needs": (WWW,),
        "bindings": (Binding("mail", "default", chain.id, "", standing),),
        "deployments": {"mail": Deployment("mail", 1, Outcome.LIVE, at=NOW)},
        "live": {"mail": {"default": chain.id}},
    }
    return Snapshot(**(values | more))


def bought(*, days: float):
    return upload("ab01", "www.chain.dev", since=NOW - 100 * DAY, days=round(100 + days))


def told(found) -> list[tuple[str, str, str, str]]:
    return [(each.kind, each.name, each.severity, each.problem.cause) for each in found]


def test_nothing_is_found_where_all_is_well():
    found = health(served(bought(days=90)), NOW)
    assert (found.findings, found.degraded) == ((), False)


@pytest.mark.parametrize(
    ("days", "severity"), [(31, None), (30, "notice"), (14, "warning"), (7, "warning"), (1, "error")]
)
def test_an_upload_that_ends_is_spoken_of_the_more_severely_the_sooner_it_does(days, severity):
    chain = bought(days=days)
    found = health(served(chain), NOW)
    assert [str(each.severity) for each in found.findings] == ([severity] if severity else [])
    status = {"warning": Status.WARNING, "error": Status.ENDING}.get(str(severity), Status.VALID)
    assert found.chains[0].status is status
    if severity:
        rest = "nothing else can be had in its place" if severity == "error" else "nothing renews it by itself"
        cause = f"The uploaded chain ends at {chain.not_after:%Y-%m-%d}T12:00:00Z, and {rest}."
        assert (told(found.findings)[0][3], found.findings[0].problem.fix) == (
            cause,
            "Upload the next one: chainwright upload FILES",
        )


def test_nothing_is_told_of_an_upload_since_before_it_was_there():
    chain = replace(bought(days=7), created_at=NOW - DAY)
    assert health(served(chain), NOW).findings[0].since == NOW - DAY
    chain = replace(chain, created_at=NOW - 90 * DAY)
    assert health(served(chain), NOW).findings[0].since == chain.not_after - 30 * DAY


def test_the_next_stage_is_when_time_alone_changes_the_findings():
    assert health(served(bought(days=40)), NOW).changes_at == NOW + 10 * DAY
    assert health(served(bought(days=20)), NOW).changes_at == NOW + 6 * DAY


def test_an_upload_that_has_ended_is_missed_until_another_one_serves_its_names():
    ended, instead = bought(days=-1), local("10ca1", WWW)
    found = served(instead, chains=(ended, instead))
    assert told(health(found, NOW).findings) == [
        (
            "upload",
            "www.chain.dev",
            "warning",
            "The uploaded chain ended at 2026-10-31T12:00:00Z; another source serves its names.",
        )
    ]
    newer = upload("cd02", "www.chain.dev", since=NOW - DAY, days=300)
    assert health(served(newer, chains=(ended, newer)), NOW).findings == ()


def test_an_upload_that_nothing_needs_may_end():
    other = upload("cd02", "other.chain.dev", since=NOW - 100 * DAY, days=100)
    chain = bought(days=90)
    assert health(served(chain, chains=(chain, other)), NOW).findings == ()


@pytest.mark.parametrize(("left", "severity"), [(366, None), (364, "warning"), (89, "error"), (-1, "error")])
def test_the_root_is_spoken_of_in_its_last_year(left, severity):
    root = replace(OLD_ROOT, not_after=NOW + left * DAY)
    found = health(Snapshot(root=root), NOW)
    assert [str(each.severity) for each in found.findings] == ([severity] if severity else [])


def test_of_a_root_that_lives_short_the_last_third_counts():
    root = replace(OLD_ROOT, not_before=NOW - 10 * DAY, not_after=NOW + 80 * DAY, uploaded=True)
    assert health(Snapshot(root=root), NOW).findings == ()
    assert len(health(Snapshot(root=root), NOW + 51 * DAY).findings) == 1


def test_of_a_root_that_the_agent_succeeds_itself_it_counts_when_that_is_overdue():
    root = replace(OLD_ROOT, not_before=NOW - 10 * DAY, not_after=NOW + 80 * DAY)
    assert health(Snapshot(root=root), NOW + 58 * DAY).findings == ()
    (found,) = health(Snapshot(root=root), NOW + 59 * DAY).findings
    assert (found.problem.code, found.severity) == ("status.root_ends", Severity.WARNING)
    prepared = replace(OLD_ROOT, sha256="ff" * 32, subject="gw Root CA 2026", prepared=True, signs_at=NOW + 70 * DAY)
    both = Snapshot(root=root, roots=(prepared, root))
    (found,) = health(both, NOW + 60 * DAY).findings
    assert (found.problem.code, found.severity) == ("status.root_prepared", Severity.NOTICE)
    assert f"signs from {rfc3339(NOW + 70 * DAY)} on" in found.problem.cause
    (found,) = health(both, NOW + 72 * DAY).findings
    assert (found.problem.code, found.severity) == ("status.root_overdue", Severity.WARNING)


def test_a_root_that_clients_of_the_one_before_will_refuse_is_a_warning_from_a_fortnight_before_it_signs_on():
    at = NOW + 70 * DAY
    prepared = replace(OLD_ROOT, sha256="ff" * 32, subject="Company CA", prepared=True, signs_at=at)
    crosses = (CrossCertificate(prepared.sha256, ROOT, "", obstacle="both have the same name"),)
    known = Snapshot(root=OLD_ROOT, roots=(prepared, OLD_ROOT), crosses=crosses)
    for days, severity in ((15, Severity.NOTICE), (14, Severity.WARNING)):
        (found,) = health(known, at - days * DAY).findings
        assert found.severity is severity
        assert found.problem.cause.endswith("will refuse what it signs: both have the same name.")
        assert found.problem.fix.startswith("Have all of them trust this one by then: chainwright root download.")
    signing = replace(prepared, prepared=False, not_after=NOW + 3650 * DAY)
    before = replace(OLD_ROOT, replaced_at=at)
    (found,) = health(replace(known, root=signing, roots=(signing, before)), at).findings
    assert found.problem.cause.endswith(
        "Clients that know it alone refuse what the present one signs: both have the same name."
    )
    assert found.severity is Severity.NOTICE


def test_a_root_that_was_replaced_is_a_notice_that_names_who_depends_on_it():
    before = replace(OLD_ROOT, replaced_at=NOW)
    root = replace(OLD_ROOT, sha256="ff" * 32, subject="gw Root CA 2026", not_after=NOW + 3650 * DAY)
    peer = Peer(
        serial="5d0c",
        sha256="cd" * 32,
        module="ikev2",
        label="branch-1",
        names=("b.example.test",),
        purposes=(Purpose.SERVER,),
        root=ROOT,
        not_before=NOW,
        not_after=NOW + DAY,
        created_at=NOW,
    )
    (found,) = health(Snapshot(root=root, roots=(root, before), peers=(peer,)), NOW).findings
    assert (found.problem.code, found.severity) == ("status.root_replaced", Severity.NOTICE)
    assert "is still believed, as ikev2/branch-1 may need it" in found.problem.cause


def test_what_a_pass_has_noted_about_a_chain_is_the_status_of_a_good_one():
    chain = bought(days=90)
    noted = Finding(SubjectKind.CHAIN, chain.id, Severity.WARNING, OWN, NOW, "www.chain.dev")
    found = health(served(chain, conditions=(noted,)), NOW)
    assert (found.chains[0].status, found.chains[0].problem, found.findings) == (Status.WARNING, OWN, (noted,))
    notice = replace(noted, severity=Severity.NOTICE)
    found = health(served(chain, conditions=(notice,)), NOW)
    assert (found.chains[0].status, found.degraded) == (Status.VALID, False)


def test_the_severest_comes_first():
    noted = [
        Finding(SubjectKind.PLUGIN, str(each), each, replace(OWN, cause=f"It is {each}."))
        for each in (Severity.NOTICE, Severity.ERROR, Severity.WARNING)
    ]
    found = health(Snapshot(conditions=tuple(noted)), NOW)
    assert [str(each.severity) for each in found.findings] == ["error", "warning", "notice"]


def test_what_a_chain_tells_its_module_does_not_tell_again():
    broken = {"mail": Deployment("mail", 1, Outcome.BROKEN, problem=OWN, at=NOW)}
    found = health(served(bought(days=90), deployments=broken), NOW)
    assert [(each.kind, each.problem) for each in found.findings] == [(SubjectKind.CHAIN, OWN)]


def test_a_module_that_is_not_as_it_should_be_is_found_though_its_chain_is_served():
    failed = replace(MAIL, problem=OWN)
    found = health(served(bought(days=90), modules=(failed,)), NOW)
    assert told(found.findings) == [("module", "mail", "error", "It was noted.")]


def test_a_local_chain_that_waits_for_a_better_one_is_found_even_where_no_row_tells_why():
    found = health(served(local("10ca1", WWW), standing=LadderPosition.FALLBACK), NOW)
    cause = "A local chain is served until a higher source delivers one: clients must trust the root."
    assert told(found.findings) == [("chain", "www.chain.dev", "warning", cause)]


def test_a_pass_that_is_an_hour_late_tells_that_nothing_makes_passes():
    due = NOW - timedelta(hours=1)
    assert health(Snapshot(next_at=due), NOW).findings == ()
    late = health(Snapshot(next_at=due - timedelta(seconds=1)), NOW).findings
    cause = (
        "The agent was due at 2026-11-01T10:59:59Z and has not run since: nothing is renewed, and nothing is looked at."
    )
    assert told(late) == [("pass", "pass", "warning", cause)]
    assert late[0].since == due - timedelta(seconds=1)


def test_a_module_that_is_gone_but_could_not_be_taken_out_is_a_finding_until_it_is():
    gone = {"mail": Deployment("mail", 1, Outcome.RETIRING, problem=OWN, at=NOW - DAY)}
    disabled = replace(MAIL, enabled=False)
    for modules in ((), (disabled,)):
        found = health(Snapshot(modules=modules, deployments=gone), NOW)
        assert [(each.name, each.severity, each.since, each.problem) for each in found.findings] == [
            ("mail", Severity.WARNING, NOW - DAY, OWN)
        ]
        assert found.degraded


def test_what_waits_for_a_line_of_the_administrators_is_a_warning_told_once():
    problem = NotIncluded("postfix", "add it").problem
    waiting = {"mail": Deployment("mail", 1, Outcome.WAITING, problem=problem, at=NOW)}
    found = health(served(bought(days=90), deployments=waiting), NOW)
    assert [(each.severity, each.problem.code) for each in found.findings] == [
        (Severity.WARNING, "deploy.not_included")
    ]


def test_evidence_that_is_an_hour_late_is_told_once_a_module():
    seen = NOW - timedelta(hours=5)

    def endpoint(port: int, next_at: datetime) -> EndpointRecord:
        address = f"127.0.0.1:{port}"
        return EndpointRecord("mail", address, "default", address, "", None, None, True, None, seen, next_at)

    late, good = NOW - timedelta(hours=1, seconds=1), NOW - timedelta(minutes=59)
    found = health(Snapshot(endpoints=(endpoint(25, late), endpoint(465, late), endpoint(993, good))), NOW).findings
    cause = "What 127.0.0.1:25 serves was seen last at 2026-11-01T07:00:00Z: whether that is still so isn't known."
    assert told(found) == [("endpoint", "mail", "warning", cause)]
    assert found[0].since == seen
    assert not health(Snapshot(endpoints=(endpoint(993, good),)), NOW).findings


def test_a_command_of_a_finding_about_a_root_names_it_where_it_would_be_of_another_one():
    end = NOW + 3650 * DAY
    prepared = replace(OLD_ROOT, sha256="ee" * 32, not_after=end, prepared=True, signs_at=NOW + 70 * DAY)
    before = replace(OLD_ROOT, sha256="dd" * 32, not_after=end, replaced_at=NOW)
    ends = replace(OLD_ROOT, sha256="cc" * 32, not_after=NOW + 10 * DAY, uploaded=True, beside=True)
    beside = [
        replace(each, sha256=sha256, beside=True) for each, sha256 in ((prepared, "99" * 32), (before, "88" * 32))
    ]
    main = replace(OLD_ROOT, not_after=end)

    def fixes(*roots):
        found = health(Snapshot(root=main, roots=(*roots, main)), NOW).findings
        return [each.problem.fix.rpartition("chainwright root ")[2] for each in found]

    assert sorted(fixes(prepared, before)) == ["begin --at DATE", "retire --at DATE"]
    assert sorted(fixes(*beside)) == ["begin --at DATE", "retire --at DATE"]
    assert "begin --at DATE --of 999999999999" in fixes(beside[0], prepared)
    assert "retire --at DATE --of 888888888888" in fixes(beside[1], before)
    assert fixes(ends) == ["reissue --dry-run --of cccccccccccc"]


def test_what_a_module_that_hangs_was_refused_for_before_is_no_longer_told():
    hangs = PluginHangs("mail", "declare_needs", 30.0, "mail").problem
    broken = {"mail": Deployment("mail", 1, Outcome.BROKEN, problem=OWN, at=NOW)}
    chain = bought(days=90)
    before = health(served(chain, deployments=broken), NOW)
    assert [each.problem for each in before.findings] == [OWN]
    found = health(served(chain, deployments=broken, modules=(replace(MAIL, problem=hangs),)), NOW)
    assert [(each.kind, each.problem) for each in found.findings] == [(SubjectKind.CHAIN, hangs)]

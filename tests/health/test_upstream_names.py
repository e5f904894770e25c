"""What is told of host names that don't resolve."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from agent.health.names import names
from agent.health.snapshot import Snapshot
from agent.model.finding import Severity
from agent.model.resolved import ResolvedName
from agent.store.modules import ModuleRecord

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
MODULE = ModuleRecord("proxy", "reverse_proxy", "Reverse proxy", True, ("nginx",), None)
NEVER = ResolvedName("proxy", "db.lan", NOW, 60, words="Name or service not known", failing_since=NOW)
ONCE = NEVER._replace(
    name="app.lan", seen={"192.0.2.1": NOW - timedelta(hours=1)}, answered_at=NOW - timedelta(hours=1)
)


def found(*failing: ResolvedName, minutes: float = 0, modules=(MODULE,)):
    return names(Snapshot(modules=modules, names=failing), NOW + timedelta(minutes=minutes))


def test_a_name_that_never_resolved_is_an_error_with_the_resolvers_words():
    (finding,) = found(NEVER).findings
    assert (finding.severity, finding.subject, finding.since) == (Severity.ERROR, "proxy", NOW)
    assert "\n".join(finding.problem.lines()) == (
        '[modules.proxy]: No address is known of db.lan: the resolver says "Name or service not known".\n'
        "What is behind it can't be reached; everything else is served. "
        "Correct the name in the settings, or see why it does not resolve here: getent ahosts db.lan. It is looked up every 60 s."
    )


def test_several_are_one_finding_with_each_in_its_detail():
    (finding,) = found(*(NEVER._replace(name=f"{letter}.lan", words=f"no {letter}") for letter in "abcde")).findings
    assert finding.problem.cause == 'No address is known of a.lan, b.lan, c.lan and 2 more: the resolver says "no a".'
    assert finding.problem.detail.splitlines()[-1] == "e.lan: no e"


def test_a_name_that_fails_is_a_notice_and_after_a_while_a_warning():
    early, late = found(ONCE, minutes=9), found(ONCE, minutes=10)
    assert [each.severity for each in early.findings + late.findings] == [Severity.NOTICE, Severity.WARNING]
    assert (early.changes_at, late.changes_at) == (NOW + timedelta(minutes=10), None)
    problem = late.findings[0].problem
    assert problem.cause == (
        'The lookup of app.lan fails since 2026-11-01T12:00:00Z: the resolver says "Name or service not known".'
    )
    assert problem.effect == "The last known addresses are used, of app.lan: 192.0.2.1."


def test_what_resolves_and_what_nobody_needs_any_more_is_no_finding():
    assert found(ONCE._replace(words="", failing_since=None)).findings == ()
    assert found(NEVER, modules=(replace(MODULE, enabled=False),)).findings == ()

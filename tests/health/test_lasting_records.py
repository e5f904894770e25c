"""What is said of TXT records that prove names for good."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from agent.errors.persist import OtherAccount, RecordMissing, ServersSilent
from agent.health.persistent import of_records, what_changed
from agent.model.finding import Severity
from agent.model.persistent import PersistentLook

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
VALUE = "ca.example; accounturi=https://ca.example/acct/7"
RIGHT = PersistentLook(
    "acme", "example.com", "ca.example", VALUE, proves=("example.com",), right_at=NOW, right_value=VALUE
)
ABOUT = ("example.com", RIGHT.record.owner, VALUE, NOW)
MISSING = RecordMissing(*ABOUT, "ca.example").problem
OTHER = OtherAccount(*ABOUT, "https://ca.example/acct/6", "https://ca.example/acct/7").problem
FIX = f"Set at _validation-persist.example.com the TXT record: {VALUE}"


def told(look: PersistentLook) -> list[tuple[Severity, str, str]]:
    return [(each.severity, each.problem.code, each.problem.fix) for each in of_records([look], NOW)]


def test_of_what_is_right_nothing_is_said_until_it_ends() -> None:
    assert told(RIGHT) == []
    assert told(replace(RIGHT, until=NOW + timedelta(days=21))) == []
    assert told(replace(RIGHT, until=NOW + timedelta(days=20))) == [(Severity.WARNING, "status.persist_ends", FIX)]


def test_what_nobody_has_set_yet_is_no_finding_and_what_is_wrong_is() -> None:
    fresh = replace(RIGHT, right_at=None, right_value="", proves=())
    assert told(replace(fresh, problem=MISSING)) == []
    assert told(replace(fresh, problem=OTHER)) == [
        (Severity.NOTICE, "status.persist_not_right", f"Write, instead or beside it: {VALUE}")
    ]


def test_what_was_right_and_is_no_longer_is_told_with_the_new_record() -> None:
    assert told(replace(RIGHT, problem=MISSING)) == [(Severity.WARNING, "status.persist_gone", FIX)]
    before = "ca.example; accounturi=https://ca.example/acct/6"
    assert told(replace(RIGHT, problem=OTHER, right_value=before)) == [(Severity.WARNING, "status.persist_void", FIX)]
    silent = ServersSilent(*ABOUT, "there was no answer").problem
    assert [code for _, code, _ in told(replace(RIGHT, problem=silent))] == ["status.persist_silent"]


def test_a_void_record_is_told_with_what_has_changed() -> None:
    url, other = "accounturi=https://ca.example/acct/7", "accounturi=https://ca.example/acct/6"
    hashed, later = "accounturi=x:sha-256/abc", "accounturi=x:sha-256/def"

    def said(before: str) -> str:
        return what_changed(f"ca.example; {before}", f"ca.example; {url}; policy=wildcard", "Some CA")

    assert what_changed(f"old.example; {other}", VALUE, "Some CA") == (
        "it is for the CA old.example, and Some CA goes by ca.example"
    )
    assert said(other) == (
        "it names the account https://ca.example/acct/6, and the one at Some CA is https://ca.example/acct/7 now"
    )
    assert what_changed(f"ca.example; {hashed}", f"ca.example; {later}", "Some CA") == (
        "the account at Some CA, or its key, is another one since it was set"
    )
    assert said(url) == "", "it only has to prove more: what is missing is told"

"""What a zone's servers say of a record, and what is made of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from agent.errors import persist
from agent.model.persistent import PersistentLook
from agent.sources.acme.persist.account import PersistAccount
from agent.sources.acme.persist.asking import GROWTH, IDLE, LONGEST_WANTED, WANTED, WELL, look_at_one
from agent.sources.acme.persist.judging import Wanted
from agent.sources.acme.persist.looking import Said, weigh

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
URL = "https://ca.example/acct/7"
ACCOUNT = PersistAccount(("ca.example",), URL, "thumb", ca="Some CA")
GOOD = f"ca.example; accounturi={URL}; policy=wildcard"
OWNER = "_validation-persist.example.com"
NS1, NS2, NS3 = (f"ns{number}.example.com (192.0.2.{number})" for number in (1, 2, 3))
NAMES = ("example.com", "*.example.com")


@dataclass
class Zone:
    """A zone that says what a test wants."""

    said: Said | str
    elsewhere: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Name -> record at it, where somebody has set it by mistake."""
    zone: str = "example.com"

    def records(self, owner: str) -> Said | str:
        return self.said if owner == OWNER else {NS1: [self.elsewhere[owner]] if owner in self.elsewhere else []}

    def zone_of(self, owner: str) -> str:
        return self.zone


def weighed(said: Said | str, name: str = "*.example.com") -> tuple[str, int, int]:
    seen = weigh(said, Wanted(name, ACCOUNT, NOW, NOW))
    return seen.error.problem.cause if seen.error else "", seen.seen, seen.servers


def test_a_record_is_seen_once_all_that_answer_have_it() -> None:
    assert weighed({NS1: [(GOOD,)], NS2: [("noise",), (GOOD,)]}) == ("", 2, 2)
    assert weighed({NS1: [(GOOD,)], NS2: "there was no answer"}) == ("", 1, 2)


def test_a_server_that_lacks_it_is_named() -> None:
    cause = f"The TXT record at {OWNER} is seen at 2 of 3 servers of its zone, not at {NS2}: it has no such record."
    assert weighed({NS1: [(GOOD,)], NS2: [], NS3: [(GOOD,)]}) == (cause, 2, 3)


def test_a_server_that_has_another_one_is_named_with_what_is_wrong() -> None:
    cause, seen, servers = weighed({NS1: [(GOOD,)], NS2: [(f"{GOOD};",)]})
    assert (seen, servers) == (1, 2)
    assert cause.endswith(f"not at {NS2}: The TXT record at {OWNER} ends with a semicolon, which not every CA takes.")


def test_silence_is_told_with_its_reason() -> None:
    cause = f"It is not known whether {OWNER} has its TXT record: {NS1}: there was no answer."
    assert weighed({NS1: "there was no answer"}) == (cause, 0, 1)
    assert weighed("no zone holds it") == (
        f"It is not known whether {OWNER} has its TXT record: no zone holds it.",
        0,
        0,
    )


def looked(said: Said | str, before: PersistentLook | None = None, *, waiting: bool = True) -> PersistentLook:
    known = before or PersistentLook("acme", "example.com", names=NAMES)
    return look_at_one(known, ACCOUNT, Zone(said), NAMES if waiting else (), NOW)


def test_what_stays_missing_is_looked_for_at_growing_pauses_and_soon_again_when_something_changes() -> None:
    found, pauses = looked({NS1: []}), []
    for _ in range(30):
        assert found.asked_at
        assert found.next_at
        pauses.append(found.next_at - found.asked_at)
        found = looked({NS1: []}, found)
    assert pauses[:3] == [WANTED, WANTED * GROWTH, WANTED * GROWTH**2]
    assert pauses[-1] == LONGEST_WANTED
    assert sum(pauses[:7], timedelta()) < timedelta(hours=1, minutes=20)
    assert found.problem
    assert found.problem.retry_at == found.next_at == NOW + LONGEST_WANTED
    wrong = looked({NS1: [(f"{GOOD};",)]}, found)
    assert wrong.next_at == NOW + WANTED
    assert wrong.problem
    assert wrong.problem.retry_at == wrong.next_at
    assert looked({NS1: []}, replace(found, next_at=None)).next_at == NOW + WANTED, "a person asks"
    assert looked({NS1: []}, replace(found, problem=None)).next_at == NOW + WANTED, "it was right"


def test_what_is_missing_is_looked_for_soon_while_somebody_waits() -> None:
    found = looked({NS1: []})
    assert (found.value, found.proves, found.seen, found.servers, found.next_at) == (GOOD, (), 0, 1, NOW + WANTED)
    assert found.problem is not None
    assert found.problem.code == persist.RecordMissing.code
    assert looked({NS1: []}, waiting=False).next_at == NOW + IDLE


def test_one_record_proves_the_name_and_its_wildcard() -> None:
    found = looked({NS1: [(GOOD,)]})
    assert (found.proves, found.problem, found.next_at) == (NAMES, None, NOW + WELL)
    assert (found.right_at, found.right_value, found.state) == (NOW, GOOD, "seen at 1 of 1 servers")


@pytest.mark.parametrize(
    ("zone", "found", "cure"),
    [
        (
            "example.com",
            f"{OWNER}.example.com",
            "The DNS console adds the zone's name by itself. Set it there with the name _validation-persist",
        ),
        (
            "com",
            f"{OWNER}.com",
            "The DNS console adds the zone's name by itself. Set it there with the name _validation-persist.example",
        ),
        ("example.com", "example.com", f"Set it at {OWNER} instead"),
        ("", "_acme-challenge.example.com", f"Set it at {OWNER} instead"),
    ],
)
def test_a_record_at_a_wrong_name_is_found(zone: str, found: str, cure: str) -> None:
    known = PersistentLook("acme", "example.com", names=NAMES)
    seen = look_at_one(known, ACCOUNT, Zone({NS1: []}, {found: (GOOD,)}, zone), NAMES, NOW)
    assert seen.problem is not None
    assert (seen.problem.code, seen.problem.cause, seen.problem.fix) == (
        "source.persist_elsewhere",
        f"The TXT record for Some CA is at {found}, where no CA looks for it: it belongs at {OWNER}.",
        f"{cure}: {GOOD}",
    )
    assert (seen.state, seen.proves) == ("there is one that is not right", ())


def test_what_is_for_others_at_such_a_name_is_not_taken_for_the_record() -> None:
    other = {"example.com": (f"ca.example; accounturi={URL}0",), f"{OWNER}.example.com": ("v=spf1 -all",)}
    seen = look_at_one(PersistentLook("acme", "example.com", names=NAMES), ACCOUNT, Zone({NS1: []}, other), NAMES, NOW)
    assert seen.problem is not None
    assert (seen.problem.code, seen.state) == ("source.persist_missing", "not seen yet")


def test_without_a_policy_it_proves_the_name_alone() -> None:
    found = looked({NS1: [(f"ca.example; accounturi={URL}",)]})
    assert found.proves == ("example.com",)
    assert found.problem is not None
    assert found.problem.code == persist.WildcardUnproved.code
    assert found.right_at is None


def test_servers_that_say_nothing_take_nothing_back() -> None:
    before = looked({NS1: [(GOOD,)]})
    found = looked({NS1: "there was no answer"}, before)
    assert found.proves == NAMES
    assert found.problem is not None
    assert found.problem.code == persist.ServersSilent.code


def test_the_end_of_a_record_is_kept() -> None:
    until = NOW + timedelta(days=3)
    found = looked({NS1: [(f"{GOOD}; persistUntil={int(until.timestamp())}",)]})
    assert (found.until, found.problem) == (until, None)


def test_a_record_that_vanishes_proves_nothing_any_longer() -> None:
    found = looked({NS1: []}, looked({NS1: [(GOOD,)]}))
    assert (found.proves, found.right_at, found.right_value) == ((), NOW, GOOD)

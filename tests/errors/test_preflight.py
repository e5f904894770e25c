from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from agent.errors import AgentError
from agent.errors.preflight import PreflightStopped

AT = datetime(2026, 11, 2, 12, tzinfo=UTC)
ADD = "Add an A or AAAA record for {}, then: chainwright renew"


@dataclass(frozen=True)
class Missing:
    name: str

    @property
    def cause(self) -> str:
        return f"{self.name} does not exist in the DNS (NXDOMAIN from ns1.example.com)."

    @property
    def fix(self) -> str:
        return ADD.format(self.name)


@dataclass(frozen=True)
class Late:
    name: str = ""
    cause: str = "This machine's clock is 5 hours behind the CA's: it shows 2026-11-02 07:00 UTC."
    fix: str = "Set it, for example with timedatectl set-ntp true, then: chainwright renew"


IN_VAIN = "The CA was not asked, because that would be in vain"

EXAMPLES: list[tuple[AgentError, str]] = [
    (
        PreflightStopped([Missing("gw.example.com")], AT),
        f"gw.example.com: {IN_VAIN}: {Missing('gw.example.com').cause}\n{ADD.format('gw.example.com')}",
    ),
    (
        PreflightStopped([Missing(f"{each}.example.com") for each in "abcde"], AT),
        (
            f"a.example.com, b.example.com, c.example.com and 2 more: {IN_VAIN} for 5 reasons, first of all: "
            f"{Missing('a.example.com').cause}\n{ADD.format('a.example.com')}"
        ),
    ),
    (
        PreflightStopped([Late(), Missing("gw.example.com")], AT),
        f"acme: {IN_VAIN} for 2 reasons, first of all: {Late.cause}\n{Late.fix}",
    ),
]


@pytest.mark.parametrize(("error", "message"), EXAMPLES, ids=lambda value: getattr(value, "code", ""))
def test_the_whole_message(error: AgentError, message: str):
    assert str(error) == message


def test_the_names_that_can_not_pass_are_known_so_that_the_others_can_go_on_without_them():
    assert PreflightStopped([Missing("a.example.com"), Missing("b.example.com")], AT).failed == {
        "a.example.com",
        "b.example.com",
    }


def test_what_keeps_the_whole_order_back_is_no_fault_of_a_name():
    assert PreflightStopped([Missing("a.example.com"), Late()], AT).failed == frozenset()


def test_every_reason_stands_in_the_detail_with_its_cure():
    error = PreflightStopped([Missing("a.example.com"), Late()], AT)
    assert error.problem.detail.splitlines() == [
        f"{Missing('a.example.com').cause} {Missing('a.example.com').fix}",
        f"{Late.cause} {Late.fix}",
    ]


def test_it_is_tried_again_by_itself_and_is_no_failure_of_the_ca():
    error = PreflightStopped([Missing("gw.example.com")], AT)
    assert error.retry_at == AT
    assert not error.counts

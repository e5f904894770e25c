"""When a chain of the CA is renewed, and how the CA is asked."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from agent.errors.renewal import RenewalInfoUnknown
from agent.model.records import ChainRecord, Watch
from agent.pki.chain import Chain, KeyType, Purpose
from agent.planning.renewal import safety_floor
from agent.sources.acme.client import certificate_id
from agent.sources.acme.failures import CaProblem, CaUnreachable, Trouble
from agent.sources.acme.messages import ProblemDocument, RenewalInfo
from agent.sources.acme.renewal_info import renewal_due
from agent.sources.acme.renewal_inquiry import inquire
from support.cas import certificates as toy_ca

NOW = toy_ca.NOW
DAY, HOUR, MINUTE, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)


def record(days: float = 90, chain: str = "80" * 32) -> ChainRecord:
    return ChainRecord(
        id=chain,
        source="acme",
        names=("www.example.com",),
        key_type=KeyType.ECDSA_P256,
        purposes=(Purpose.SERVER,),
        issuer="YE1",
        serial="1",
        not_before=NOW,
        not_after=NOW + days * DAY,
        fingerprints=(chain,),
    )


def suggested(at: datetime, chain: str = "80" * 32) -> Watch:
    return Watch(chain=chain, renew_at=at)


# What is due


def test_without_a_chain_one_is_asked_for_at_once():
    due = renewal_due(None, None, NOW)
    assert (due.at, due.reason) == (NOW, "there is no chain of the CA yet")


@pytest.mark.parametrize(("days", "left"), [(90, 30), (45, 15), (10, 10 / 3), (160 / 24, 80 / 24)])
def test_without_a_suggestion_a_third_of_the_lifetime_is_left_and_a_half_of_a_short_one(days, left):
    chain = record(days)
    due = renewal_due(chain, None, NOW)
    latest = chain.not_after - left * DAY
    assert latest - 0.02 * days * DAY <= due.at <= latest
    assert due.reason == "in good time"


def test_hosts_and_chains_renew_at_different_instants_but_always_at_the_same_one():
    ids = [f"{number:08x}" + "0" * 56 for number in (0, 0x40000000, 0x80000000, 0xFFFFFFFF)]
    instants = [renewal_due(record(chain=each), None, NOW).at for each in ids]
    assert instants == [renewal_due(record(chain=each), None, NOW + DAY).at for each in ids]
    assert instants == sorted(set(instants), reverse=True)
    assert instants[0] - instants[-1] <= 0.02 * 90 * DAY


def test_what_the_ca_suggests_holds():
    due = renewal_due(record(), suggested(NOW + 50 * DAY), NOW)
    assert (due.at, due.reason) == (NOW + 50 * DAY, "when the CA suggests it")


def test_a_suggestion_in_the_past_means_now():
    due = renewal_due(record(), suggested(NOW - HOUR), NOW)
    assert due.at <= NOW
    assert due.reason == "the CA suggests its renewal since 2026-11-01"


@pytest.mark.parametrize(("days", "left"), [(90, 15), (10, 10 / 6), (160 / 24, 40 / 24)])
def test_the_ca_can_not_postpone_a_renewal_beyond_the_safety_floor(days, left):
    chain = record(days)
    due = renewal_due(chain, suggested(chain.not_after - MINUTE), NOW)
    assert due.at == safety_floor(chain.not_before, chain.not_after) == chain.not_after - left * DAY
    late = renewal_due(chain, suggested(chain.not_after - MINUTE), due.at)
    assert late.reason == f"its renewal can't wait as long as the CA suggests ({chain.not_after - MINUTE:%Y-%m-%d})"


def test_what_was_said_of_another_chain_does_not_count():
    assert renewal_due(record(), suggested(NOW, chain="ff" * 32), NOW).at > NOW


# How it is asked


class Ca:
    """Says what it was given, and counts how often it was asked."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def renewal_info(self, certificate_id):
        self.asked.append(certificate_id)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Fixed(random.Random):
    """The same number each time."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def random(self) -> float:
        return self.value


@pytest.fixture(scope="module")
def chain() -> Chain:
    root = toy_ca.root()
    leaf = root.leaf("www.example.com")
    return Chain(key=leaf.key, leaf=leaf.certificate, intermediates=(), anchor=root.certificate)


def window(begins: timedelta, ends: timedelta, **more) -> RenewalInfo:
    return RenewalInfo(NOW + begins, NOW + ends, **more)


def ask(chain, *answers, watch=None, now=NOW, chance=0.5) -> Watch:
    return inquire(Ca(*answers).renewal_info, chain, watch, now, Fixed(chance))


@pytest.mark.parametrize(("chance", "at"), [(0, NOW + 58 * DAY), (0.5, NOW + 59 * DAY), (0.999, NOW + 59.998 * DAY)])
def test_an_instant_is_chosen_evenly_within_the_window(chain, chance, at):
    found = ask(chain, window(58 * DAY, 60 * DAY), chance=chance)
    assert found.renew_at == at
    assert found.window == (NOW + 58 * DAY, NOW + 60 * DAY)
    assert found.chain == chain.id


def test_an_instant_that_was_chosen_under_a_clock_that_was_ahead_is_chosen_again(chain):
    first = replace(ask(chain, window(58 * DAY, 60 * DAY)), renew_at=NOW + 3650 * DAY)
    again = ask(chain, window(58 * DAY, 60 * DAY), watch=first, now=NOW + DAY, chance=0.5)
    assert again.renew_at == NOW + 59 * DAY


def test_the_instant_is_kept_while_the_window_stays_the_same(chain):
    first = ask(chain, window(58 * DAY, 60 * DAY), chance=0.1)
    again = ask(chain, window(58 * DAY, 60 * DAY), watch=first, now=NOW + DAY, chance=0.9)
    assert again.renew_at == first.renew_at


def test_another_window_gets_another_instant(chain):
    first = ask(chain, window(58 * DAY, 60 * DAY), chance=0.5)
    moved = ask(chain, window(10 * DAY, 12 * DAY), watch=first, chance=0.5)
    assert moved.renew_at == NOW + 11 * DAY


def test_a_window_that_is_over_means_now(chain):
    assert ask(chain, window(-2 * HOUR, -HOUR)).renew_at == NOW


def test_an_instant_that_is_over_in_a_window_that_is_not_means_now(chain):
    assert ask(chain, window(-9 * HOUR, HOUR)).renew_at == NOW


@pytest.mark.parametrize(
    ("retry_after", "least", "most"),
    [
        (None, 6 * HOUR, 6.3 * HOUR),
        (21600.0, 6 * HOUR, 6.3 * HOUR),
        (0.0, MINUTE, 63 * SECOND),
        (1e12, DAY, DAY),
    ],
)
@pytest.mark.parametrize("chance", [0, 1])
def test_the_ca_says_when_to_ask_again_within_a_minute_and_a_day(chain, retry_after, least, most, chance):
    found = ask(chain, window(58 * DAY, 60 * DAY, retry_after=retry_after), chance=chance)
    assert found.next_at == NOW + (most if chance else least)


def test_a_ca_that_never_says_anything_is_not_asked_again(chain):
    assert ask(chain, None) == Watch(chain=chain.id)


def test_a_chain_that_has_expired_is_not_asked_about(chain):
    ca = Ca()
    known = Watch(chain=chain.id, next_at=NOW, renew_at=NOW, window=(NOW, NOW + DAY))
    found = inquire(ca.renewal_info, chain, known, chain.not_after, Fixed(0))
    assert (ca.asked, found.next_at, found.renew_at) == ([], None, NOW)


def test_nothing_is_asked_when_the_chain_will_have_expired(chain):
    found = ask(chain, window(58 * DAY, 60 * DAY), now=chain.not_after - HOUR)
    assert found.next_at is None


def test_the_certificate_is_named_as_its_ca_names_it(chain):
    ca = Ca(None)
    inquire(ca.renewal_info, chain, None, NOW, Fixed(0))
    assert ca.asked == [certificate_id(chain.leaf)]


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://ca.example/why?incident=7", "https://ca.example/why?incident=7"),
        ("http://ca.example/", "http://ca.example/"),
        ("javascript:alert(1)", ""),
        ("https://ca.example/a b", ""),
        ("https://ca.example/\x1b[31m", ""),
        ("https://ca.example/" + "a" * 500, ""),
    ],
)
def test_the_page_that_says_why_is_kept_where_it_is_an_address(chain, url, kept):
    assert ask(chain, window(58 * DAY, 60 * DAY, explanation=url)).explanation == kept


@pytest.mark.parametrize(
    ("nonsense", "reason"),
    [
        (window(2 * DAY, DAY), "the window that it suggests ends before it begins"),
        (window(DAY, DAY), "the window that it suggests ends before it begins"),
        (window(91 * DAY, 92 * DAY), "the window that it suggests begins after the chain's end"),
        (window(-9000 * DAY, -8999 * DAY), "the window that it suggests is over for ten years"),
    ],
)
def test_a_window_without_sense_counts_like_none(chain, nonsense, reason):
    with pytest.raises(RenewalInfoUnknown, match=reason) as failure:
        ask(chain, nonsense, chance=1)
    assert failure.value.retry_at == NOW + 6.3 * HOUR


UNREACHED = CaUnreachable("nobody listens there", url="https://ca.example/ari/x", trouble=Trouble.NETWORK)
FAILED = CaProblem(ProblemDocument("serverInternal", "Out of order", status=500), url="https://ca.example/ari/x")
BUSY = CaUnreachable("it asks to wait", url="https://ca.example/ari/x", status=503, retry_after=7200.0)
LIMITED = CaProblem(
    ProblemDocument("rateLimited", "Slowly", status=429), url="https://ca.example/ari/x", retry_after=7200.0
)
REFUSED = CaProblem(ProblemDocument("malformed", "No such certificate.", status=404), url="https://ca.example/ari/x")
BROKEN = CaUnreachable("its answer is no JSON", url="https://ca.example/ari/x", status=200)


@pytest.mark.parametrize(
    ("failure", "attempts", "pause"),
    [
        (UNREACHED, 0, MINUTE),
        (UNREACHED, 1, 4 * MINUTE),
        (UNREACHED, 2, 16 * MINUTE),
        (UNREACHED, 5, 6 * HOUR),
        (UNREACHED, 10**6, 6 * HOUR),
        (FAILED, 0, MINUTE),
        (BUSY, 0, 2 * HOUR),
        (LIMITED, 0, 2 * HOUR),
        (REFUSED, 0, 6 * HOUR),
        (BROKEN, 0, 6 * HOUR),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_may_pass_is_tried_again_soon_and_what_will_not_in_six_hours(chain, failure, attempts, pause):
    with pytest.raises(RenewalInfoUnknown) as raised:
        ask(chain, failure, watch=Watch(chain=chain.id, attempts=attempts), chance=0)
    assert raised.value.retry_at == NOW + pause


def test_the_first_failure_of_all_needs_no_past(chain):
    with pytest.raises(RenewalInfoUnknown) as raised:
        ask(chain, UNREACHED, chance=1)
    assert raised.value.retry_at == NOW + 63 * SECOND
    assert raised.value.problem.cause == "The CA does not say when to renew the chain: nobody listens there."


def test_a_refusal_is_told_in_the_words_of_the_ca(chain):
    with pytest.raises(RenewalInfoUnknown, match=r"renew the chain: No such certificate\.\n"):
        ask(chain, REFUSED)


def test_a_good_answer_ends_what_was_wrong_before(chain):
    before = Watch(chain=chain.id, problem={"code": "source.renewal_info"}, attempts=3)
    found = ask(chain, window(58 * DAY, 60 * DAY), watch=before)
    assert (found.problem, found.attempts) == (None, 0)


def test_when_to_look_for_a_revocation_is_not_touched(chain):
    before = Watch(chain=chain.id, crl_at=NOW + DAY)
    assert ask(chain, None, watch=before) == replace(before, next_at=None)

"""Proving an order's names to the CA (RFC 8555 section 7.5), by HTTP-01."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from acme.challenges import HTTP01

from agent.errors.http01 import Http01Error
from agent.errors.name import NameInvalid
from agent.errors.order import ChallengeMissing
from agent.sources.acme.at_once import at_once
from agent.sources.acme.messages import Authorization, Challenge, Order, ProblemDocument
from agent.sources.acme.steps import OrderStep
from agent.system.names import parse_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.sources.acme.order_task import OrderTask
    from agent.sources.acme.pre_order_checks import PreOrderChecks

OPEN = frozenset({"pending", "processing"})
"""Challenges that the CA looks at, or will when it's told to (RFC 8555 section 7.1.6)."""
DECIDING = (0.5, 1.5, 4.0)
"""Seconds between looks at the names of an order that has failed."""
ENOUGH = 3
"""Looks at a challenge that failed but stays pending, for the CA to try it again (RFC 8555 section 8.2)."""


class Authorizations:
    """One order's authorizations."""

    def __init__(self, task: OrderTask, checks: PreOrderChecks) -> None:
        self._client = task.ca.client
        self._answers = task.ca.answers
        self._ca = task.source.ca
        self._context = task.context
        self._checks = checks
        self._presented: set[tuple[str, str]] = set()
        self._doubtful: Counter[str] = Counter()

    def answer(self, order: Order) -> int:
        """Answer for each name that the CA does not know to be ours yet; return how many those are.

        Raises `ChallengeMissing`, and `Http01Error` where nobody can answer.
        """
        found = at_once(self._authorization, order.authorizations)
        pending = [each for each in found if each.status == "pending"]
        challenges = self._challenges(pending)
        if pending:
            self._prepare([name_of(each) for each in pending])
        at_once(self._answer, list(zip(pending, challenges, strict=True)))
        return len(pending)

    def given_up(self) -> bool:
        """Whether a challenge has failed for good that the CA leaves pending, as smallstep's do."""
        for url in list(self._doubtful):
            authorization = self._authorization(url)
            if _error_of(authorization) and authorization.status == "pending":
                self._doubtful[url] += 1
            else:
                del self._doubtful[url]
        return any(looks >= ENOUGH for looks in self._doubtful.values())

    def verdict(self, order: Order, pause: Callable[[float], None]) -> tuple[ProblemDocument, frozenset[str]]:
        """Return why an order has failed, each name's problem a subproblem, and the names that are fine.

        An order fails with its first name; the others' verdicts are waited for a little, so that the next try is not for
        names that fail as well.
        """
        found = self._decided(order, pause)
        problems = tuple(problem for each in found if (problem := _problem_of(each)))
        passed = frozenset(name_of(each) for each in found if each.status == "valid")
        if not problems:
            unsaid = ProblemDocument("serverInternal", f"it calls the order {order.status} without saying why")
            return order.error or unsaid, passed
        said = order.error.detail if order.error else ""
        return ProblemDocument(problems[0].type, said or problems[0].detail, subproblems=problems), passed

    def _decided(self, order: Order, pause: Callable[[float], None]) -> list[Authorization]:
        found = {each.url: each for each in at_once(self._authorization, order.authorizations)}
        for seconds in DECIDING:
            open_ = [url for url, each in found.items() if each.status == "pending" and not _error_of(each)]
            if not open_:
                break
            pause(seconds)
            found |= {each.url: each for each in at_once(self._authorization, open_)}
        return list(found.values())

    def clean_up(self) -> None:
        """Take the answers away again."""
        while self._presented:
            self._answers.clean_up(*self._presented.pop())

    def _authorization(self, url: str) -> Authorization:
        return self._client.authorization(self._context, url)

    def _prepare(self, names: Sequence[str]) -> None:
        try:
            warnings = self._answers.prepare(names, retry_at=self._checks.retry_at)
        except Http01Error as error:
            self._checks.stop(error)
            return
        for each in warnings:
            self._context.progress(OrderStep.CHALLENGES, each)
            self._context.remark(each.rstrip("."))

    def _challenges(self, pending: list[Authorization]) -> list[Challenge]:
        found = [_http_01(each) for each in pending]
        missing = [each for each, challenge in zip(pending, found, strict=True) if challenge is None]
        if missing:
            offered = {challenge.type for each in missing for challenge in each.challenges}
            raise ChallengeMissing(self._ca, [name_of(each) for each in missing], offered)
        return [challenge for challenge in found if challenge]

    def _answer(self, pair: tuple[Authorization, Challenge]) -> None:
        authorization, challenge = pair
        if challenge.status not in OPEN:
            return
        name, token = name_of(authorization), challenge.chall.encode("token")
        self._presented.add((name, token))
        self._answers.present(name, token, retry_at=self._checks.retry_at)
        if challenge.status == "pending":
            answered = self._client.answer(self._context, challenge)
            if answered.status == "pending" and answered.error:
                self._doubtful[authorization.url] = 1


def name_of(authorization: Authorization) -> str:
    """Return the canonical name that it is about."""
    try:
        return parse_name(authorization.name)
    except NameInvalid:
        return authorization.name


def _http_01(authorization: Authorization) -> Challenge | None:
    return next((each for each in authorization.challenges if isinstance(each.chall, HTTP01)), None)


def _error_of(authorization: Authorization) -> ProblemDocument | None:
    return next((each.error for each in authorization.challenges if each.error), None)


def _problem_of(authorization: Authorization) -> ProblemDocument | None:
    """Return why a name is not proved; None: it is, or nothing speaks against it yet."""
    error = _error_of(authorization)
    if authorization.status == "valid" or (authorization.status == "pending" and not error):
        return None
    error = error or ProblemDocument("unauthorized", f"the authorization is {authorization.status}")
    return replace(error, name=name_of(authorization))

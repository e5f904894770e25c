"""Proving an order's names to the CA (RFC 8555 section 7.5), each by the first method that works for it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from agent.errors.http01 import UnseenFromOutside
from agent.errors.name import NameInvalid
from agent.errors.wording import quoted
from agent.sources.acme.at_once import at_once
from agent.sources.acme.challenge_windows import command_for, window_for
from agent.sources.acme.challenges.challenge_type import ChallengeType
from agent.sources.acme.challenges.method import Answer
from agent.sources.acme.challenges.methods import methods_of
from agent.sources.acme.challenges.prospects import Prospects
from agent.sources.acme.challenges.refusal import refusal
from agent.sources.acme.challenges.track_record import TrackRecord
from agent.sources.acme.failures import CaUnreachable
from agent.sources.acme.messages import Authorization, Challenge, Order, ProblemDocument
from agent.sources.acme.steps import OrderStep
from agent.sources.acme.vantage_point import unseen_from
from agent.system.addresses import own_addresses
from agent.system.names import WILDCARD, parse_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from agent.sources.acme.challenges.method import Method
    from agent.sources.acme.challenges.prospects import Offered
    from agent.sources.acme.order_task import OrderTask
    from agent.sources.acme.pre_order_checks import PreOrderChecks
    from agent.sources.acme.preflight import Finding

HTTP = ChallengeType.HTTP_01
OPEN = frozenset({"pending", "processing"})
"""Challenges that the CA looks at, or will when it's told to (RFC 8555 section 7.1.6)."""
DECIDING = (0.5, 1.5, 4.0)
"""Seconds between looks at the names of an order that has failed."""
UNMOVED, READ_AGAIN = 3.0, 2.0
"""Seconds for which an order is pending before its authorizations are read, and by what that grows each time."""
GOOD = frozenset({"pending", "valid"})
"""States of an authorization that can become a chain (RFC 8555 section 7.1.6)."""
ENOUGH = 3
"""Looks at a challenge that failed but stays pending, for the CA to try it again (RFC 8555 section 8.2)."""


class Authorizations:
    """One order's authorizations."""

    def __init__(self, task: OrderTask, checks: PreOrderChecks) -> None:
        self._client = task.ca.client
        self._names = task.request.names
        self._context = task.context
        self._checks = checks
        self._record = TrackRecord(task.context.ledger, task.source.directory_url)
        self._methods = methods_of(task.source, task.ca, task.context, task.account)
        self.prospects = Prospects(self._methods, self._doubted, self._tell)
        self._ca = task.source.ca
        self._chosen: dict[str, Method] = {}
        self._command, self._addresses_of = task.source.challenge_window, task.ca.addresses_of
        self._vantage_point = task.source.vantage_point
        self._window = ""
        self._ports = {ChallengeType.HTTP_01: task.source.http_port, ChallengeType.TLS_ALPN_01: task.source.tls_port}
        self._doubtful: Counter[str] = Counter()
        self._read_at = UNMOVED

    def foresee(self, bars: Sequence[Finding]) -> None:
        """See before anything is ordered that each name can be proved, in spite of `bars`. Raises `SourceError`.

        One that the CA may know to be ours needs no proof: whether it wants one is seen when it has the order.
        """
        self.prospects.bar(bars)
        now = self._context.now()
        self._find_methods([name for name in sorted(self._names) if not self._record.may_be_known(name, now)])

    def answer(self, order: Order) -> int:
        """Answer for each name that the CA does not know to be ours yet; return how many those are.

        Raises `ChallengeMissing`, `NothingProves`, `CaUnreachable` for a name that is not in the order, and what a method
        raises that can't answer.
        """
        found = at_once(self._authorization, order.authorizations)
        pending = {self._name_of(each): each for each in found if each.status == "pending"}
        self._refuse_foreign(pending)
        offered = {name: {each.type for each in one.challenges} for name, one in pending.items()}
        self._find_methods(list(pending), offered)
        chosen = {name: self.prospects.choice(name, offered, anyway=True) for name in pending}
        self._chosen |= {name: method for name, method in chosen.items() if method is not None}
        at_once(self._tell_the_ca, self._presented(pending))
        return len(pending)

    def _refuse_foreign(self, pending: Mapping[str, Authorization]) -> None:
        """Raise for a name that nobody has ordered: it may be one of another appliance, or no name but a path."""
        for name, authorization in pending.items():
            if name not in self._names:
                cause = f"it wants {quoted(name)} to be proved, which is not in the order"
                raise CaUnreachable(cause, url=authorization.url, status=HTTPStatus.OK)

    def given_up(self, order: Order, seconds: float) -> bool:
        """Whether the order won't get on: it has been pending for `seconds`.

        Either a challenge has failed for good that the CA leaves pending, as smallstep's do, or an authorization is invalid
        and the order is left pending, as by acme2certifier.
        """
        return self._has_failed() or self._is_stuck(order, seconds)

    def _is_stuck(self, order: Order, seconds: float) -> bool:
        if seconds < self._read_at:
            return False
        self._read_at = seconds * READ_AGAIN
        return any(each.status not in GOOD for each in at_once(self._authorization, order.authorizations))

    def _has_failed(self) -> bool:
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
        problems = tuple(problem for each in found if (problem := self._problem_of(each)))
        passed = frozenset(self._name_of(each) for each in found if each.status == "valid")
        self._note(passed, {each.name for each in problems})
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

    def passed(self) -> None:
        """Note that the CA is content with every name, and take the answers away."""
        self._record.note_proved(sorted(self._chosen))
        self.clean_up()

    def _note(self, passed: Collection[str], failed: Collection[str]) -> None:
        """Note which methods have failed, so that the next try takes others where there are any."""
        self._record.note_proved(sorted(passed))
        for method in self._methods:
            names = sorted(name for name in failed if self._chosen.get(name) is method)
            self._record.note_failed(method.type, names)

    def _problem_of(self, authorization: Authorization) -> ProblemDocument | None:
        """Return why a name is not proved; None: it is, or nothing speaks against it yet."""
        error, name = _error_of(authorization), self._name_of(authorization)
        if authorization.status == "valid" or (authorization.status == "pending" and not error):
            return None
        error = error or ProblemDocument("unauthorized", f"the authorization is {authorization.status}")
        return replace(error, name=name, method=str(self._chosen[name].type) if name in self._chosen else "")

    def clean_up(self) -> None:
        """Take the answers away again."""
        try:
            for each in self._methods:
                each.clean_up()
        finally:
            self._close()

    def _close(self) -> None:
        if not self._window:
            return
        failed = self._context.windows.close(self._window)
        self._window = ""
        if failed:
            said = f"the challenge window of {self._ca} was not closed ({failed}); it is tried again in a minute"
            self._context.progress(OrderStep.CHALLENGES, said)

    def _name_of(self, authorization: Authorization) -> str:
        """Return the canonical name that it is about, as it was ordered: a wildcard's is said of beside its name."""
        try:
            name = parse_name(authorization.name)
        except NameInvalid:
            return authorization.name
        wildcard = f"{WILDCARD}{name.removeprefix(WILDCARD)}"
        is_wildcard = authorization.wildcard or name not in self._names
        return wildcard if is_wildcard and wildcard in self._names else name

    def _authorization(self, url: str) -> Authorization:
        return self._client.authorization(self._context, url)

    def _find_methods(self, names: Sequence[str], offered: Offered | None = None) -> None:
        """Find a method for each name. Raises where there is none, unless the CA is asked all the same."""
        self.prospects.look(names, self._checks.retry_at, offered)
        if lacking := [name for name in names if self.prospects.choice(name, offered) is None]:
            error = refusal(self._ca, self.prospects, lacking, offered, self._checks.retry_at)
            self._checks.stop(error)
            self.prospects.unbar(lacking)
            self.prospects.look(lacking, self._checks.retry_at, offered)
            if any(self.prospects.choice(name, offered, anyway=True) is None for name in lacking):
                raise error

    def _doubted(self, name: str) -> frozenset[ChallengeType]:
        return self._record.doubted(name, self._context.now())

    def _tell(self, warning: str) -> None:
        self._context.progress(OrderStep.CHALLENGES, warning)
        self._context.remark(warning.rstrip("."))

    def _presented(self, pending: Mapping[str, Authorization]) -> list[tuple[Authorization, Challenge]]:
        """Let each method answer for its names; return the challenges that the CA is to look at."""
        answers: dict[Method, list[Answer]] = {each: [] for each in self._methods}
        told = []
        for name, authorization in pending.items():
            challenge = _challenge(authorization, self._chosen[name])
            if challenge.status in OPEN:
                answers[self._chosen[name]].append(self._answer(name, challenge))
                told.append((authorization, challenge))
        for method, those in answers.items():
            if those:
                method.present(those, retry_at=self._checks.retry_at)
        self._open({method.type: [each.domain for each in those] for method, those in answers.items() if those})
        self._look_from_outside([each for method in answers if method.type is HTTP for each in answers[method]])
        return told

    def _look_from_outside(self, answers: Sequence[Answer]) -> None:
        """Have somebody look who sees what a CA does. Raises `UnseenFromOutside`, unless the CA is asked all the same."""
        if not self._vantage_point or not answers:
            return
        port = self._ports[HTTP]
        if unseen := unseen_from(self._vantage_point, answers, port, self._context):
            self._checks.stop(UnseenFromOutside(unseen, port, self._checks.retry_at))

    def _open(self, answered: Mapping[ChallengeType, Sequence[str]]) -> None:
        """Have a firewall let the CA in, as long as it looks. Raises `WindowUnopened`."""
        ports = {type_: port for type_, port in self._ports.items() if type_ in answered}
        names = {name for type_ in ports for name in answered[type_]}
        if not ports or self._window:
            return
        window = window_for(set(ports.values()), names, self._addresses_of, own_addresses)
        if self._context.windows.open(window, partial(command_for, self._command), self._checks.retry_at):
            self._window = window.id

    def _answer(self, name: str, challenge: Challenge) -> Answer:
        token = challenge.token
        return Answer(
            name=name,
            domain=name.removeprefix(WILDCARD),
            challenge=challenge,
            token=token,
            key_authorization=f"{token}.{self._client.thumbprint}" if token else "",
        )

    def _tell_the_ca(self, told: tuple[Authorization, Challenge]) -> None:
        authorization, challenge = told
        if challenge.status == "pending":
            answered = self._client.answer(self._context, challenge)
            if answered.status == "pending" and answered.error:
                self._doubtful[authorization.url] = 1


def _challenge(authorization: Authorization, method: Method) -> Challenge:
    return next(each for each in authorization.challenges if each.type == method.type)


def _error_of(authorization: Authorization) -> ProblemDocument | None:
    return next((each.error for each in authorization.challenges if each.error), None)

"""What a CA says, as an error that says what an administrator can do (RFC 8555 section 6.7)."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from agent.errors.account import (
    USUAL_ALGORITHM,
    AccountKeyRefused,
    AccountRefused,
    AccountUnknown,
    ContactRefused,
    ExternalAccountMissing,
    ExternalAccountRefused,
    TermsNotAgreed,
)
from agent.errors.acme import (
    AcmeError,
    CaBusy,
    CaFailed,
    CaRefused,
    CaUnreached,
    CaUntrusted,
    NamesPaused,
    NoDirectory,
    ProfileRefused,
    RateLimited,
    RevocationRefused,
    SigningRequestRefused,
    TrustFileUnusable,
)
from agent.errors.validation import NameFailure, NamesRejected, ValidationFailed
from agent.sources.acme.failures import CaProblem, CaUnreachable, Trouble
from agent.sources.acme.messages import ProblemDocument
from agent.system.names import is_wildcard

DELAYS = (timedelta(minutes=1), timedelta(minutes=10), timedelta(minutes=100), timedelta(days=1))
"""After the first, second, third failure in a row, and after each further one (Let's Encrypt's integration guide)."""
JITTER = 0.1
"""Share of a delay that is added at random, so that a thousand appliances don't come back together."""
SHORTEST_LIMIT, DEFAULT_LIMIT, LONGEST_LIMIT = timedelta(minutes=1), timedelta(hours=1), timedelta(days=2)
"""Bounds of what a CA asks to wait; the slowest of Let's Encrypt's limits allows one more after 34 hours."""
VALIDATION = frozenset({"connection", "dns", "dnssec", "caa", "tls", "unauthorized", "incorrectResponse"})
REJECTED = frozenset({"rejectedIdentifier", "unsupportedIdentifier"})
RANK = ("rejectedIdentifier", "unsupportedIdentifier", "rateLimited", "caa", "dnssec", "dns", "tls", "unauthorized")
"""The worst first: what stops all tries counts more than what the next one may see gone."""
PAUSED = re.compile(r"certificates for (?P<names>\S+(?:, \S+)*) and possibly others")
UNPAUSE = re.compile(r"https://\S*unpause\S*")
"""Boulder's words, and the page on which a person lets the names go on."""
QUOTED = re.compile(r'"([^"\s]+)"')


def next_try(attempts: int, now: datetime, chance: Callable[[], float] = random.random) -> datetime:
    """Return when to try again; `attempts`: failures in a row before this one."""
    delay = DELAYS[min(attempts, len(DELAYS) - 1)]
    return now + delay * (1 + JITTER * chance())


def translate(
    error: CaProblem | CaUnreachable,
    *,
    where: str,
    names: frozenset[str],
    attempts: int,
    now: datetime,
    ca: str = "",
    passed: frozenset[str] = frozenset(),
    account: str = "",
    external_account: str = "",
    algorithm: str = USUAL_ALGORITHM,
    chance: Callable[[], float] = random.random,
) -> AcmeError:
    """Return an error for people.

    `names` are the request's, `passed` those that the CA has found to be fine, `ca` what people call it, `account` the
    URL of the account, `external_account` the key identifier that it's to be bound to, `algorithm` what its key signs by.
    """
    host = _host(error.url)
    case = _Case(names, attempts, now, ca or host, host, passed, account, external_account, algorithm, chance)
    told = case.unreached(error) if isinstance(error, CaUnreachable) else case.refused(error)
    told.earliest = case.earliest(error, told)
    return told.at(where)


@dataclass(frozen=True, slots=True)
class _Case:
    """What an error is about."""

    names: frozenset[str]
    attempts: int
    now: datetime
    ca: str
    host: str
    passed: frozenset[str]
    account: str
    external_account: str
    algorithm: str
    chance: Callable[[], float]

    # No answer

    def unreached(self, error: CaUnreachable) -> AcmeError:
        retry_at = self.later(error)
        if error.trouble is Trouble.TRUST_FILE:
            return TrustFileUnusable(error.trust, error.cause, retry_at)
        if error.trouble is Trouble.UNTRUSTED:
            return CaUntrusted(self.ca, self.host, error.cause, retry_at, file=error.trust, detail=error.detail)
        if error.trouble is Trouble.NO_DIRECTORY:
            return NoDirectory(error.url, error.cause, retry_at)
        if error.trouble is Trouble.BUSY:
            return CaBusy(self.ca, self.limited(error), error.detail, str(error))
        if error.trouble is Trouble.NETWORK:
            return CaUnreached(self.ca, self.host, error.cause, retry_at, error.detail, _port(error.url))
        return CaFailed(self.ca, error.cause, retry_at, detail=error.detail or str(error))

    # A refusal

    def refused(self, error: CaProblem) -> AcmeError:
        problem, worst = error.problem, _worst(error.problem)
        detail = "\n".join(_lines(problem))
        if paused := UNPAUSE.search(problem.detail):
            return NamesPaused(self.ca, self.paused(problem), paused[0], self.tomorrow(), detail=detail)
        if problem.status == 503:
            return self._counted(error, CaBusy(self.ca, self.limited(error), worst.detail, detail))
        if problem.status == 429 or worst.type == "rateLimited":
            failed = self.limited_names(problem)
            limited = RateLimited(self.ca, worst.detail, self.limited(error), failed=failed, detail=detail)
            return self._counted(error, limited)
        if problem.status >= 500 or worst.type in {"serverInternal", "badNonce"}:
            return CaFailed(self.ca, worst.detail, self.later(error), detail=detail)
        return (
            self._of_a_name(error, worst, detail)
            or self._of_the_account(error, worst, detail)
            or self._other(error, worst, detail)
        )

    @staticmethod
    def _counted(error: CaProblem, told: AcmeError) -> AcmeError:
        """Count a wish to wait as a failure where the CA doesn't say for how long: the pauses grow with their number."""
        if error.retry_after is None:
            told.counts = True  # type: ignore[misc]  # of this one, not of its kind
        return told

    def _of_a_name(self, error: CaProblem, worst: ProblemDocument, detail: str) -> AcmeError | None:
        failures = [self._failure(each) for each in _leaves(error.problem)]
        if worst.type in REJECTED:
            return NamesRejected(self.ca, failures, self.tomorrow(), detail=detail)
        if worst.type in VALIDATION and (worst.type != "unauthorized" or worst.status == 0):
            return ValidationFailed(self.ca, failures, self.later(error), passed=self.passed, detail=detail)
        return None

    def _of_the_account(self, error: CaProblem, worst: ProblemDocument, detail: str) -> AcmeError | None:
        if worst.type == "userActionRequired":
            return TermsNotAgreed(self.ca, worst.instance, changed=True, detail=detail)
        if worst.type in {"invalidContact", "unsupportedContact", "invalidEmail"}:
            return ContactRefused(self.ca, worst.detail, detail=detail)
        if worst.type == "accountDoesNotExist":
            return AccountUnknown(self.ca, self.account, self.later(error), detail=detail)
        return self._of_a_new_account(error, worst, detail)

    def _of_a_new_account(self, error: CaProblem, worst: ProblemDocument, detail: str) -> AcmeError | None:
        if worst.type == "externalAccountRequired" and not self.external_account:
            return ExternalAccountMissing(self.ca)
        if worst.type == "badSignatureAlgorithm" or (worst.type, error.resource) == ("badPublicKey", "newAccount"):
            return AccountKeyRefused(self.ca, self.algorithm, worst.detail, detail=detail)
        if error.resource == "newAccount" and self.external_account:
            return ExternalAccountRefused(self.ca, self.external_account, worst.detail, detail=detail)
        return None

    def _other(self, error: CaProblem, worst: ProblemDocument, detail: str) -> AcmeError:
        if error.resource == "revokeCert":
            return RevocationRefused(self.ca, worst.detail, detail=detail)
        if worst.type == "unauthorized":
            return AccountRefused(self.ca, self.account, worst.detail, self.later(error), detail=detail)
        if worst.type == "invalidProfile":
            return ProfileRefused(self.ca, worst.detail, detail=detail)
        if worst.type in {"badCSR", "badPublicKey"}:
            return SigningRequestRefused(self.ca, worst.detail, detail=detail)
        return CaRefused(self.ca, worst.type, worst.detail, self.later(error), detail=detail)

    # Names

    def _failure(self, problem: ProblemDocument) -> NameFailure:
        named = self.ours(problem.name) or (next(iter(self.names)) if len(self.names) == 1 else "")
        return NameFailure(named, problem.type, problem.detail, problem.method)

    def ours(self, name: str) -> str:
        """Return the name of the request that the CA means; empty: none. An authorization has no ``*.``."""
        return next((each for each in (name, f"*.{name}") if each in self.names), "")

    def paused(self, problem: ProblemDocument) -> frozenset[str]:
        found = PAUSED.search(problem.detail)
        named = {self.ours(each) for each in found["names"].split(", ")} if found else set()
        return frozenset(named - {""})

    def limited_names(self, problem: ProblemDocument) -> frozenset[str]:
        """Return the names that a limit is about: Boulder quotes a name, or the domain above several."""
        quoted = {each.name for each in _leaves(problem)} | set(QUOTED.findall(problem.detail))
        return frozenset(name for name in self.names if any(_below(name, domain) for domain in quoted if domain))

    # Times

    def later(self, error: CaProblem | CaUnreachable) -> datetime:
        """Return when to try again after a failure, not before the CA wants it."""
        asked = min(timedelta(seconds=error.retry_after or 0.0), LONGEST_LIMIT)
        return max(next_try(self.attempts, self.now, self.chance), self.now + asked)

    def limited(self, error: CaProblem | CaUnreachable) -> datetime:
        """Return when the CA allows more, and a little later. One that doesn't say when is asked ever less often."""
        if error.retry_after is None:
            return max(self.now + DEFAULT_LIMIT, next_try(self.attempts, self.now, self.chance))
        asked = timedelta(seconds=error.retry_after)
        return self.now + min(max(asked, SHORTEST_LIMIT), LONGEST_LIMIT) + SHORTEST_LIMIT * self.chance()

    def earliest(self, error: CaProblem | CaUnreachable, told: AcmeError) -> datetime | None:
        """Return the instant before which the CA doesn't want to be asked; None: it says nothing of it."""
        if isinstance(told, NamesPaused):
            return told.retry_at
        if error.retry_after is None:
            return self.now + DEFAULT_LIMIT if isinstance(told, CaBusy | RateLimited) else None
        return min(told.retry_at or self.now, self.now + min(timedelta(seconds=error.retry_after), LONGEST_LIMIT))

    def tomorrow(self) -> datetime:
        """Return when to see whether somebody has done something about it."""
        return next_try(len(DELAYS), self.now, self.chance)


def _port(url: str) -> int:
    """Return the port of a URL; that of HTTPS where it names none."""
    try:
        return urlsplit(url).port or 443
    except ValueError:
        return 443


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or url
    except ValueError:
        return url


def _leaves(problem: ProblemDocument) -> tuple[ProblemDocument, ...]:
    """Return what is said of each name; where nothing is, the problem itself."""
    return problem.subproblems or (problem,)


def _worst(problem: ProblemDocument) -> ProblemDocument:
    return min(_leaves(problem), key=lambda each: RANK.index(each.type) if each.type in RANK else len(RANK))


def _below(name: str, domain: str) -> bool:
    host = name[2:] if is_wildcard(name) else name
    return domain in {name, host} or host.endswith(f".{domain}")


def _lines(problem: ProblemDocument) -> Iterator[str]:
    """Yield all that the CA says, a line a problem."""
    by = f" by {problem.method}" if problem.method else ""
    about = f" ({problem.name}{by})" if problem.name else ""
    yield f"{problem.type}{about}: {problem.detail}"
    for each in problem.subproblems:
        yield from _lines(each)

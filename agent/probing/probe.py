"""Looking at real services: what they present, and whether it is what was expected."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from agent.contract.endpoint import Endpoint, Expected, Probe, Served, StartTLS
from agent.errors import AgentError, ProbeFailed
from agent.errors.deploy import WrongChainServed, WrongGeneration

if TYPE_CHECKING:
    import ssl

    from agent.pki.key import KeyType

AT_ONCE = 8
"""Endpoints that are looked at at the same time."""
LONGEST_LOOK = 5.0
"""Seconds of one connection. A mail server with thousands of names takes half of it for the first one."""
SILENCES = 3
"""Connections without an answer after which an address gets no more than..."""
SHORT_LOOK = 0.25
"""...these seconds for each further one, so that one hanging service with 1,000 names doesn't hold up the others."""
PER_ENDPOINT = 0.004
"""Seconds: services with more names take longer to reload."""
FIRST_PAUSE = 0.02
LONGEST_PAUSE = 0.1
"""Seconds between rounds while something is wrong; each is twice the last one."""
CONFIRMING_PAUSE = 0.06
"""Seconds between rounds when all is right. Three handshakes take longer than the 100 ms in which nginx's old workers still
take connections beside the new ones: nobody is served the old chain after the new one was said to be in service."""
GRACE = 0.5
"""Seconds that a plugin's probe may be late."""


@dataclass(frozen=True)
class TLSProbe(Probe):
    """Make a TLS handshake and look at the chain. Trust isn't judged: what is presented is compared with what was expected.

    A plugin that wants to see more overrides `above`.
    """

    starttls: StartTLS | None = None
    """Default: the endpoint's."""
    key_type: KeyType | None = None
    """Which chain to see of a service that has an RSA and an ECDSA one; None: the one that it prefers."""

    def look(self, endpoint: Endpoint, deadline: float, expected: Expected) -> Served:
        """Make one fresh connection, without resumption. Raises `ProbeFailed`."""
        from agent.probing.connection import connected, presented, read_generation, secured, translated
        from agent.probing.starttls import begin

        with translated(endpoint, deadline), connected(endpoint.address, deadline) as plain:
            if protocol := self.starttls or endpoint.starttls:
                begin(plain, protocol, str(endpoint), deadline)
            with secured(plain, self._context, endpoint.server_name, deadline) as stream:
                fingerprints = presented(stream)
                generation = self.above(stream, endpoint, deadline)
        if generation is None and endpoint.generation_socket:
            generation = read_generation(endpoint, endpoint.generation_socket, deadline)
        return Served(fingerprints, generation)

    def above(self, stream: ssl.SSLSocket, endpoint: Endpoint, deadline: float) -> int | None:
        """Look at the layer above TLS, where a service can be dead behind a good handshake. For plugins to override.

        `stream` is the connection after the handshake, with a timeout until `deadline` (an instant of `time.monotonic`).
        Return the generation's number if the service shows it. Raise `ProbeFailed` when the service is dead; what the
        stream raises is translated.
        """
        return None

    @cached_property
    def _context(self) -> ssl.SSLContext:
        from agent.probing.connection import lenient_context, restricted_context

        if self.key_type is None:
            return lenient_context()
        return restricted_context("aRSA" if self.key_type.startswith("rsa") else "aECDSA")


def judge(endpoint: Endpoint, served: Served, expected: Expected) -> AgentError | None:
    """Compare what is presented one by one with leaf and intermediates, and the generation where it is shown."""
    if served.fingerprints != expected.fingerprints:
        return WrongChainServed(str(endpoint), served.fingerprints, expected.fingerprints)
    if served.generation is None and not endpoint.generation_socket:
        return None
    if served.generation != expected.generation:
        return WrongGeneration(str(endpoint), served.generation, expected.generation)
    return None


@dataclass(frozen=True, slots=True)
class Observation:
    """What one endpoint was seen to serve."""

    endpoint: Endpoint
    served: Served | None
    """None: there was no proper answer."""
    problem: AgentError | None

    @property
    def ok(self) -> bool:
        """What was expected is served."""
        return self.problem is None

    @property
    def dead(self) -> bool:
        """Nobody listens there."""
        return isinstance(self.problem, ProbeFailed) and self.problem.dead


@dataclass(frozen=True)
class Prober:
    """Looks at many endpoints at once."""

    wait: Callable[[float], object] = time.sleep
    """Called with seconds between two rounds of looking."""

    def observe(
        self, wanted: Sequence[tuple[Endpoint, Expected]], *, timeout: float, handshakes: int, patient: bool
    ) -> list[Observation]:
        """Look at each endpoint and return the observations in the same order.

        `patient`, because reloads are asynchronous: look in rounds until each endpoint presented what is expected in
        `handshakes` connections in a row, or until `timeout` seconds (and 4 ms an endpoint) have passed; the round that
        runs then is ended, and every endpoint is looked at once at least. Otherwise there is one look at each.
        """
        from concurrent.futures import ThreadPoolExecutor

        deadline = time.monotonic() + timeout + PER_ENDPOINT * len(wanted)
        watch = _Watch(min(timeout, LONGEST_LOOK))
        views = [_View(endpoint, expected) for endpoint, expected in wanted]
        with ThreadPoolExecutor(AT_ONCE, "probe") as pool:
            rounds = _Rounds(lambda due: list(pool.map(watch.look, due)), self.wait, deadline, handshakes)
            if patient:
                scouts, others = _scouts_first(views)
                rounds.settle(scouts, CONFIRMING_PAUSE)
                rounds.settle(others, 0)  # their service has settled
            else:
                rounds.look(views)
        return [view.observation for view in views]


@dataclass(frozen=True)
class _Rounds:
    look: Callable[[list[_View]], object]
    wait: Callable[[float], object]
    deadline: float
    handshakes: int

    def settle(self, views: list[_View], confirming_pause: float) -> None:
        """Look at `views` in rounds until each is decided."""
        pauses = _pauses()
        self.look(views)
        while views := [view for view in views if self._undecided(view)]:
            self.wait(confirming_pause if all(view.in_a_row for view in views) else next(pauses))
            self.look(views)

    def _undecided(self, view: _View) -> bool:
        """What is right when time runs out may still prove that it stays right."""
        in_time = view.in_a_row > 0 or time.monotonic() < self.deadline
        return in_time and view.in_a_row < (view.endpoint.handshakes or self.handshakes)


def _scouts_first(views: list[_View]) -> tuple[list[_View], list[_View]]:
    """Return one endpoint of each address, then the others: 1,000 handshakes a round would slow down the reload itself."""
    scouts = {str(view.endpoint.address): view for view in reversed(views)}
    waiting = set(views).difference(scouts.values())
    return list(scouts.values()), [view for view in views if view in waiting]


def _pauses() -> Iterator[float]:
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(2 * pause, LONGEST_PAUSE)


class _View:
    """One endpoint, as it is seen so far."""

    observation: Observation

    def __init__(self, endpoint: Endpoint, expected: Expected) -> None:
        self.endpoint = endpoint
        self.expected = expected
        self.in_a_row = 0

    def see(self, served: Served) -> None:
        self._keep(served, judge(self.endpoint, served, self.expected))

    def fail(self, problem: AgentError) -> None:
        self._keep(None, problem)

    def _keep(self, served: Served | None, problem: AgentError | None) -> None:
        self.observation = Observation(self.endpoint, served, problem)
        self.in_a_row = 0 if problem else self.in_a_row + 1


class _Watch:
    """The looks of one observation."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._silences: Counter[str] = Counter()
        self._tls = TLSProbe()

    def look(self, view: _View) -> None:
        """Look once; whatever happens becomes an observation."""
        address = str(view.endpoint.address)
        weary = self._silences[address] >= SILENCES
        deadline = time.monotonic() + (min(SHORT_LOOK, self._limit) if weary else self._limit)
        try:
            view.see(self._ask(view, deadline))
        except ProbeFailed as problem:
            view.fail(problem)
        except Exception as error:  # of a plugin: it may be anything, and must not stop the others
            view.fail(ProbeFailed(str(view.endpoint), f"the probe raised {type(error).__name__}: {error}"))
        if time.monotonic() >= deadline:
            self._silences[address] += 1

    def _ask(self, view: _View, deadline: float) -> Served:
        probe = view.endpoint.probe or self._tls
        if type(probe) is TLSProbe:
            return probe.look(view.endpoint, deadline, view.expected)
        served = _in_time(lambda: probe.look(view.endpoint, deadline, view.expected), view.endpoint, deadline)
        if not isinstance(served, Served):
            raise ProbeFailed(str(view.endpoint), f"the probe returned {served!r} and no Served")
        return served


def _in_time(look: Callable[[], object], endpoint: Endpoint, deadline: float) -> object:
    """Return what `look` returns. A plugin's probe may forget its deadline; then it is left alone with its thread."""
    from queue import Empty, SimpleQueue
    from threading import Thread

    answers: SimpleQueue[object] = SimpleQueue()

    def run() -> None:
        try:
            answers.put(look())
        except Exception as error:
            answers.put(error)

    Thread(target=run, name="plugin's probe", daemon=True).start()
    try:
        answer = answers.get(timeout=max(deadline - time.monotonic(), 0) + GRACE)
    except Empty:
        raise ProbeFailed(str(endpoint), "the probe doesn't keep its deadline") from None
    if isinstance(answer, Exception):
        raise answer
    return answer

"""Probes of real services: what they present, and whether it is what was expected."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from agent.contract.endpoint import Endpoint, Expected, Probe, Served, StartTLS
from agent.errors import AgentError, ProbeFailed
from agent.errors.served import WrongChainServed, WrongGeneration

if TYPE_CHECKING:
    import ssl

    from agent.pki.key import KeyType
    from agent.probing.plain_stream import PlainStream

MOST_THREADS = 8
"""Endpoints that are probed at the same time."""
CONNECTION_TIMEOUT = 5.0
"""Seconds of one connection. A mail server with thousands of names takes half of it for the first one."""
MOST_TIMEOUTS = 3
"""Connections to one address without an answer, before `SHORT_TIMEOUT` applies to it."""
SHORT_TIMEOUT = 0.25
"""Seconds of a connection to such an address: one hanging service with 1,000 names must not hold up the others."""
PER_ENDPOINT = 0.004
"""Seconds added to the timeout: services with more names take longer to reload."""
FIRST_PAUSE = 0.02
LONGEST_PAUSE = 0.1
"""Seconds between rounds while something is wrong; each is twice the last one."""
CONFIRMING_PAUSE = 0.06
"""Seconds between rounds when all is right. Three handshakes take longer than the 100 ms in which nginx's old workers still
take connections beside the new ones: nobody is served the old chain after the new one was said to be in service."""
GRACE = 0.5
"""Seconds that a plugin's probe may be late."""


@dataclass(frozen=True, kw_only=True)
class TLSProbe(Probe):
    """Probe by a TLS handshake. Trust is not checked: the chain presented is compared with the one expected.

    A plugin that wants to see more overrides `above`, and one with a STARTTLS of its own `before`.
    """

    starttls: StartTLS | None = None
    """Default: the endpoint's."""
    key_type: KeyType | None = None
    """Which chain to ask for where a service has an RSA and an ECDSA one; None: the one that it prefers."""

    def look(self, endpoint: Endpoint, deadline: float, expected: Expected) -> Served:
        """Make one fresh connection, without resumption. Raises `ProbeFailed`."""
        from agent.probing.connection import connected, read_generation, secured, translated
        from agent.probing.handshake import fingerprints_of, presented
        from agent.probing.plain_stream import PlainStream

        with translated(endpoint, deadline), connected(endpoint.address, deadline) as plain:
            self.before(PlainStream(plain, str(endpoint), deadline), endpoint)
            with secured(plain, self._context, endpoint.server_name, deadline) as stream:
                certificates = presented(stream)
                leaf = certificates[0] if certificates else b""
                prints = fingerprints_of(certificates)
                if expected.fingerprints and prints != expected.fingerprints:
                    return Served(
                        fingerprints=prints, generation=None, certificate=leaf
                    )  # somebody else's, say: nothing above it is of the service that is asked
                generation = self.above(stream, endpoint, deadline)
        if generation is None and endpoint.generation_socket:
            generation = read_generation(endpoint, endpoint.generation_socket, deadline)
        return Served(fingerprints=prints, generation=generation, certificate=leaf)

    def before(self, plain: PlainStream, endpoint: Endpoint) -> None:
        """Say and hear what precedes the handshake. Default: the STARTTLS of this probe or the endpoint, if there is one.

        For plugins to override: a dialogue of their own, or a first line (the PROXY protocol's) and then `super().before`.
        Raise `ProbeFailed` with the service's own words where it refuses (`plain.fail`); what a socket raises is translated.
        """
        from agent.probing.starttls import begin

        if protocol := self.starttls or endpoint.starttls:
            begin(plain, protocol, endpoint.server_name or endpoint.host)

    def above(self, stream: ssl.SSLSocket, endpoint: Endpoint, deadline: float) -> int | None:
        """Check the layer above TLS, where a service can be dead behind a good handshake. For plugins to override.

        `stream` is the connection after the handshake, with a timeout until `deadline` (an instant of `time.monotonic`).
        Return the generation's number if the service shows it. Raise `ProbeFailed` when the service is dead; what the
        stream raises is translated.
        """
        return None

    @property
    def is_plain(self) -> bool:
        """Whether it makes a handshake at once, and takes the chain that the service prefers: any client sees the same."""
        kind = type(self)
        own_steps = kind.before is not TLSProbe.before or kind.look is not TLSProbe.look
        return self.starttls is None and self.key_type is None and not own_steps

    @cached_property
    def _context(self) -> ssl.SSLContext:
        from agent.probing.connection import restricted_context
        from agent.probing.handshake import lenient_context

        if self.key_type is None:
            return lenient_context()
        return restricted_context("aRSA" if self.key_type.startswith("rsa") else "aECDSA")


def mismatch(endpoint: Endpoint, served: Served, expected: Expected) -> AgentError | None:
    """Return how what is served differs from leaf, intermediates and, where it is shown, generation; None: not at all."""
    if served.fingerprints != expected.fingerprints:
        return WrongChainServed(str(endpoint), served.fingerprints, expected.fingerprints)
    if served.generation is None and not endpoint.generation_socket:
        return None
    if served.generation != expected.generation:
        return WrongGeneration(str(endpoint), served.generation, expected.generation)
    return None


@dataclass(frozen=True, slots=True)
class Observation:
    """Result of probing one endpoint."""

    endpoint: Endpoint
    served: Served | None
    """None: there was no proper answer."""
    problem: AgentError | None

    @property
    def ok(self) -> bool:
        """Whether the endpoint serves what was expected."""
        return self.problem is None

    @property
    def dead(self) -> bool:
        """Whether nobody listens there."""
        return isinstance(self.problem, ProbeFailed) and self.problem.dead


@dataclass(frozen=True)
class Prober:
    """Probes many endpoints in parallel."""

    wait: Callable[[float], object] = time.sleep
    """Called with seconds between two rounds of probing."""

    def observe(
        self, wanted: Sequence[tuple[Endpoint, Expected]], *, timeout: float, handshakes: int, until_served: bool
    ) -> list[Observation]:
        """Probe each endpoint and return the observations in the same order.

        `until_served`, because reloads are asynchronous: probe in rounds until each endpoint has presented what is expected
        in `handshakes` connections in a row, or until `timeout` seconds (and 4 ms an endpoint) have passed; the round in
        progress is finished, so that every endpoint is probed at least once. Otherwise each is probed once.
        """
        from concurrent.futures import ThreadPoolExecutor

        deadline = time.monotonic() + timeout + PER_ENDPOINT * len(wanted)
        connector = _Connector(min(timeout, CONNECTION_TIMEOUT))
        states = [_EndpointState(endpoint, expected) for endpoint, expected in wanted]
        with ThreadPoolExecutor(MOST_THREADS, "probe") as pool:
            rounds = _Rounds(lambda due: list(pool.map(connector.probe, due)), self.wait, deadline, handshakes)
            if until_served:
                first, others = _one_per_address(states)
                rounds.settle(first, CONFIRMING_PAUSE)
                rounds.settle(others, 0)  # their service has settled
            else:
                rounds.probe(states)
        return [state.observation for state in states]


@dataclass(frozen=True)
class _Rounds:
    """Rounds of probing, with pauses between them, until a deadline."""

    probe: Callable[[list[_EndpointState]], object]
    wait: Callable[[float], object]
    deadline: float
    handshakes: int

    def settle(self, states: list[_EndpointState], confirming_pause: float) -> None:
        """Probe `states` in rounds until each is decided."""
        pauses = _pauses()
        self.probe(states)
        while states := [state for state in states if self._undecided(state)]:
            self.wait(confirming_pause if all(state.in_a_row for state in states) else next(pauses))
            self.probe(states)

    def _undecided(self, state: _EndpointState) -> bool:
        """Whether to probe again; after the deadline only what is right, to confirm that it stays right."""
        in_time = state.in_a_row > 0 or time.monotonic() < self.deadline
        return in_time and state.in_a_row < (state.endpoint.handshakes or self.handshakes)


def _one_per_address(states: list[_EndpointState]) -> tuple[list[_EndpointState], list[_EndpointState]]:
    """Return one endpoint of each address, then the others: 1,000 handshakes a round would slow down the reload itself."""
    first = {str(state.endpoint.address): state for state in reversed(states)}
    waiting = set(states).difference(first.values())
    return list(first.values()), [state for state in states if state in waiting]


def _pauses() -> Iterator[float]:
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(2 * pause, LONGEST_PAUSE)


class _EndpointState:
    """One endpoint, its last observation, and how often in a row it was right."""

    observation: Observation

    def __init__(self, endpoint: Endpoint, expected: Expected) -> None:
        self.endpoint = endpoint
        self.expected = expected
        self.in_a_row = 0

    def succeed(self, served: Served) -> None:
        self._keep(served, mismatch(self.endpoint, served, self.expected))

    def fail(self, problem: AgentError) -> None:
        self._keep(None, problem)

    def _keep(self, served: Served | None, problem: AgentError | None) -> None:
        self.observation = Observation(self.endpoint, served, problem)
        self.in_a_row = 0 if problem else self.in_a_row + 1


class _Connector:
    """Single probes of one `Prober.observe`, with the timeouts of each address."""

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._timeouts: Counter[str] = Counter()
        self._tls = TLSProbe()

    def probe(self, state: _EndpointState) -> None:
        """Probe once; whatever happens becomes an observation."""
        address = str(state.endpoint.address)
        silent = self._timeouts[address] >= MOST_TIMEOUTS
        deadline = time.monotonic() + (min(SHORT_TIMEOUT, self._limit) if silent else self._limit)
        try:
            state.succeed(self._served(state, deadline))
        except ProbeFailed as problem:
            state.fail(problem)
        except Exception as error:  # of a plugin: it may be anything, and must not stop the others
            state.fail(ProbeFailed(str(state.endpoint), f"the probe raised {type(error).__name__}: {error}"))
        if time.monotonic() >= deadline:
            self._timeouts[address] += 1

    def _served(self, state: _EndpointState, deadline: float) -> Served:
        probe = state.endpoint.probe or self._tls
        if type(probe) is TLSProbe:
            return probe.look(state.endpoint, deadline, state.expected)
        served = _in_time(lambda: probe.look(state.endpoint, deadline, state.expected), state.endpoint, deadline)
        if not isinstance(served, Served):
            raise ProbeFailed(str(state.endpoint), f"the probe returned {served!r} instead of a Served")
        return served


def _in_time(look: Callable[[], object], endpoint: Endpoint, deadline: float) -> object:
    """Return what `look` returns. A plugin's probe that ignores its deadline is left to its thread."""
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

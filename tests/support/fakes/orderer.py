"""An appliance that orders at a test CA, with nothing of the core around the source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from agent.model.need import Request
from agent.pki.chain import Chain
from agent.pki.key import KeyType
from agent.sources import AcmeSource
from agent.sources.acme import order
from agent.sources.acme.ca_context import CaContext, ca_context_of
from agent.sources.acme.challenges.challenge_type import ChallengeType
from agent.sources.acme.steps import OrderStep
from support.fakes.source_context import FakeOrderContext, FakeSourceContext
from support.ports import free_port

WITHOUT_ALPN = tuple(each for each in ChallengeType if each is not ChallengeType.TLS_ALPN_01)
"""What most tests are about; a port that anybody may open would otherwise prove what they want refused."""
Opened = Callable[..., "Orderer"]
"""What the fixture `at` is."""


class Killed(BaseException):
    """The process ends here, without a chance to do anything."""


class Orderer:
    """One appliance, whose memory outlives its processes: `restarted` is the next one."""

    def __init__(self, ca: Any, directory: Path, context: FakeSourceContext | None = None, **settings: Any) -> None:
        """`ca` is a `Pebble`, an `Acme2Certifier` or a `StubCa`."""
        self.ca = ca
        self.directory = directory
        self.settings = settings
        trust = getattr(ca, "trust_file", None)
        defaults = {
            "directory": ca.directory_url,
            "trust": str(trust) if trust else None,
            "http_port": getattr(ca, "http_port", None) or free_port(),
            "tls_port": getattr(ca, "tls_port", None) or free_port(),
            "preflight": False,
            "contact": "admin@example.com",
            "challenges": ["http-01"],
        }
        self.source = AcmeSource(**{**defaults, **settings})
        self.context = context or FakeSourceContext(directory)
        self._next: list[Orderer] = []

    def close(self) -> None:
        self.context.close()
        for each in self._next:
            each.close()

    def restarted(self, ca: Any = None, clock: Callable[[], datetime] | None = None, **settings: Any) -> Orderer:
        """Return the appliance after its process has died; CA, clock and settings may have been changed meanwhile."""
        self.context.close()
        context = FakeSourceContext(self.directory, clock or self.context.clock, self.context.key)
        context.memory, context.ledger = self.context.memory, self.context.ledger
        self._next.append(Orderer(ca or self.ca, self.directory, context, **{**self.settings, **settings}))
        return self._next[-1]

    def order(self, *names: str, key_type: KeyType = KeyType.ECDSA_P256, **options: Any) -> Chain:
        return self.obtain(self.order_context(**options), names, key_type)

    def order_context(self, **options: Any) -> FakeOrderContext:
        return self.context.for_order(**options)

    def obtain(
        self,
        context: FakeOrderContext,
        names: Iterable[str],
        key_type: KeyType = KeyType.ECDSA_P256,
        time_limit: float = 60.0,
    ) -> Chain:
        return order.obtain(
            self.source, Request(names=frozenset(names), key_type=key_type), context, time_limit=time_limit
        )

    @property
    def ca_context(self) -> CaContext:
        """What all of its orders share."""
        return ca_context_of(self.source, self.context)

    @property
    def steps(self) -> list[str]:
        return [step for step, _text in self.context.steps]

    @property
    def said(self) -> str:
        return "\n".join(text for _step, text in self.context.steps)


def replaceable(orderer: Orderer, name: str, **options: Any) -> Chain:
    """Order a chain that Pebble knows by what a renewal says it replaces (RFC 9773 section 5).

    It looks for the octets of the serial number as they stand in DER, and so finds none that begins with a zero: one in 256.
    """
    while True:
        chain = orderer.order(name, **options)
        if chain.leaf.serial_number.bit_length() % 8:
            return chain


WAITS = "waits for the certificate"
"""A point at which a process may die: the CA has the signing request, and the order is not valid yet."""


class DyingContext(FakeOrderContext):
    """An order's context in which the process dies: when something was saved, a step was told, or while it waits."""

    def __init__(
        self, source_context: FakeSourceContext, at: str | int, saved: Mapping[str, Any] | None = None
    ) -> None:
        """`at`: a step, `WAITS`, or the number of the save, from 1."""
        super().__init__(source_context, saved=dict(saved or {}))
        self._at = at
        self._saves = 0
        self._step = ""

    def save(self, state: Mapping[str, Any]) -> None:
        super().save(state)
        self._saves += 1
        if self._saves == self._at:
            raise Killed

    def progress(self, step: str, text: str = "") -> None:
        self.source_context.progress(step, text)
        self._step = step
        if step == self._at:
            raise Killed

    def wait(self, seconds: float) -> None:
        if (self._at, self._step) == (WAITS, OrderStep.FINALIZING):
            raise Killed
        self.source_context.wait(seconds)

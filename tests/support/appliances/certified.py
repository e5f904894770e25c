"""A whole appliance, its nginx, and a real CA that looks for answers where this nginx serves HTTP."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.engine.engine import Engine
from agent.model.events import Event, EventKind
from agent.model.records import OrderRecord, Watch
from agent.pki.chain import Chain
from support.appliances.deployed import connect, leaf_of
from support.appliances.proxied import OWN, SITES, Proxied
from support.cas.acme2certifier import Acme2Certifier
from support.cas.caddy import Caddy
from support.cas.pebble import Pebble
from support.clients.terminal import Terminal
from support.fakes.orderer import WITHOUT_ALPN
from support.paths import DYING
from support.processes import prepared
from support.toml import table

LADDER = 'sources = ["uploaded", "acme", "local"]\n'
TRUST = "/etc/chainwright/listener-root.pem"


@dataclass
class Certified(Proxied):
    """Its nginx is started by the agent. `happens` is called with each event, in whatever thread it is told."""

    ca: Pebble | Acme2Certifier | Caddy | None = None
    acme: dict[str, Any] = field(default_factory=dict)
    """Settings of the CA beside those by which it's found."""
    service: dict[str, object] = field(default_factory=lambda: {**OWN, "start": True})
    happens: Callable[[Event], object] = lambda event: None
    sites: Sequence[str] = SITES[:1]

    def __post_init__(self) -> None:
        super().__post_init__()
        assert self.ca
        self.http_port = self.ca.http_port

    def settings(self, text: str) -> None:
        """Write the settings, with a CA on the ladder."""
        assert self.ca
        trust = {}
        if not isinstance(self.ca, Acme2Certifier):
            trust = {"trust": TRUST}
            self.layout.rooted(TRUST).write_bytes(self.ca.trust_file.read_bytes())
        found = {
            "directory": self.ca.directory_url,
            "names": "any",
            "contact": "admin@example.com",
            "http_port": self.ca.http_port,
            "challenges": list(WITHOUT_ALPN),
        }
        if not isinstance(self.ca, Caddy):
            found["resolvers"] = self.ca.dns.address
        super().settings(LADDER + text + table("acme", {**found, **trust, **self.acme}))

    def engine(self) -> Engine:
        listeners = [self.events.append, self._tell]
        return Engine(self.layout, clock=self.clock, runner=self.runner, listeners=listeners, who="test")

    def _tell(self, event: Event) -> None:
        self.happens(event)

    @property
    def terminal(self) -> Terminal:
        return Terminal(self.root)

    def die_at(self, where: str) -> int:
        """Run a pass in a process that dies at a step or an event; return its exit code, 9 when it died there."""
        argv = [DYING, self.root, where, str(self.clock.offset.total_seconds())]
        return prepared.run(argv).returncode

    # What there is

    def sources(self) -> dict[str, str]:
        """Return slot -> source of the chain that it is bound to."""
        with self.store() as store:
            source = {each.id: each.source for each in store.chains.records()}
            return {each.slot: source.get(each.chain, "") for each in store.modules.bindings()}

    def chain(self, slot: str = SITES[0]) -> Chain:
        """Return the chain that a slot is bound to."""
        with self.store() as store:
            found = store.chains.load(self.chains()[slot])
        assert found
        return found

    def orders_failed(self) -> list[OrderRecord]:
        """Return the orders whose last try has failed."""
        with self.store() as store:
            return [each for each in store.orders.records() if each.problem]

    def watch(self, slot: str = SITES[0]) -> Watch | None:
        """Return what the CA said of the chain that a slot is bound to."""
        with self.store() as store:
            return store.watches.of(self.chains()[slot])

    # What happened

    def kinds(self) -> list[EventKind]:
        return [event.kind for event in self.events]

    def reloads(self) -> int:
        """Return how often nginx was told to reload since this was asked last."""
        count = self.runner.count("SIGHUP")
        self.runner.ran.clear()
        return count

    # What is served

    def certified(self, name: str = SITES[0]) -> str:
        """Return the SHA-256 of the leaf that a client gets who trusts the CA only; empty: it's none of the CA's."""
        assert self.ca
        context = ssl.create_default_context(cadata=self.ca.roots()[0])
        # Set from Python 3.13 on: acme2certifier's leaves have no authority key identifier.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        try:
            with connect(self.port, name, context) as stream:
                return leaf_of(stream)
        except ssl.SSLCertVerificationError:
            return ""

    def assert_certified(self, *names: str) -> None:
        """Each of these sites is served with the chain that it is bound to, which is one of the CA's."""
        bound = self.chains()
        assert {name: self.certified(name) for name in names} == {name: bound[name] for name in names}

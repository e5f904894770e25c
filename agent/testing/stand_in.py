"""A stand-in for the services of modules: it serves, over TLS, what they would have loaded at their last reload."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from agent.contract.endpoint import Endpoint, Expected, Probe, Served
from agent.errors import ProbeFailed
from agent.pki.chain import Chain
from agent.pki.encoding import Part, encode
from agent.probing.probe import Observation, Prober, TLSProbe
from agent.store import Store
from agent.system.layout import Layout
from agent.testing.toyd import begin, listening

SECONDS = 10.0
"""One connection may take so long."""


class StandIn:
    """The services. Before their first reload they serve `first`, as a new machine's do a chain that somebody else made."""

    def __init__(self, layout: Layout, first: Chain) -> None:
        self.layout = layout
        self.first = first
        self.refuses = False
        """Reloads fail, but for those that go back to what was loaded."""
        self.ignores = False
        """Reloads succeed, and change nothing."""
        self.loaded: dict[str, int] = {}
        """Module -> number of the generation that its service has loaded."""
        self._listeners: dict[tuple[str, str, str], _Listener] = {}
        self._lock = threading.Lock()
        self._chains = lru_cache(maxsize=None)(self._read_chains)

    def reload(self, modules: Iterable[str]) -> bool:
        """Load what is in service of these modules. Return whether the reload succeeds."""
        modules = [*modules]
        if self.refuses and not self.runs_what_is_in_service(modules):
            return False
        for module in modules if not self.ignores else ():
            number = self.in_service(module)
            if number is None:
                self.loaded.pop(module, None)
            else:
                self.loaded[module] = number
        return True

    def runs_what_is_in_service(self, modules: Iterable[str]) -> bool:
        """Whether the last reload was of what is in service now."""
        return all(self.loaded.get(module) == self.in_service(module) for module in modules)

    def in_service(self, module: str) -> int | None:
        """Return the number of a module's generation in service."""
        name = (self.layout.module(module).state / "live").resolve().name
        return int(name) if name.isdecimal() else None

    def chain(self, module: str, slot: str) -> Chain | None:
        """Return what is served of a slot; None: the service was given nothing for it."""
        number = self.loaded.get(module)
        return self.first if number is None else self._chains(module, number).get(slot)

    def port(self, module: str, slot: str, starttls: str) -> int:
        """Return where a slot's chain is served; it listens from then on."""
        with self._lock:
            key = (module, slot, starttls)
            if key not in self._listeners:
                self._listeners[key] = _Listener(self, *key)
            return self._listeners[key].port

    def close(self) -> None:
        """Stop to listen."""
        for each in self._listeners.values():
            each.close()

    def _read_chains(self, module: str, number: int) -> Mapping[str, Chain]:
        with Store.open(self.layout) as store:
            generation = store.deployments.generation(f"module:{module}", number)
            chains = generation.chains if generation else {}
            found = {slot: store.chains.load(chain) for slot, chain in chains.items()}
        return {slot: chain for slot, chain in found.items() if chain is not None}


class _Listener:
    """One socket at which one slot's chain is served."""

    def __init__(self, stand_in: StandIn, module: str, slot: str, starttls: str) -> None:
        self._stand_in = stand_in
        self._what = module, slot
        self._starttls = starttls
        self._socket = listening(0)
        self._socket.setblocking(True)
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, name=f"stand-in {module}/{slot}", daemon=True).start()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        chain = self._stand_in.chain(*self._what)
        connection.settimeout(SECONDS)
        try:
            if chain is not None:
                begin(connection, self._starttls)
                with _context_of(chain).wrap_socket(connection, server_side=True) as stream:
                    stream.recv(1)
        except OSError:  # the client has seen enough
            pass
        finally:
            connection.close()


@lru_cache(maxsize=64)
def _context_of(chain: Chain) -> ssl.SSLContext:
    """Return what serves a chain; its key is in memory only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with os.fdopen(os.memfd_create("chain"), "wb") as file:
        file.write(encode(chain, [Part.KEY, Part.FULLCHAIN]))
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
    return context


@dataclass(frozen=True)
class StandInProbe(Probe):
    """The probe of an endpoint, made at the stand-in: nothing of the machine is connected to."""

    stand_in: StandIn
    module: str
    original: Probe | None

    def look(self, endpoint: Endpoint, deadline: float, expected: Expected) -> Served:
        """Make a handshake as the endpoint's own probe would, or tell what the stand-in serves where that speaks more."""
        chain = self.stand_in.chain(self.module, endpoint.slot)
        if chain is None:
            raise ProbeFailed(str(endpoint), "the stand-in for the service was given no chain for it")
        fingerprints = self._served(endpoint, deadline) if speaks_tls(self.original) else chain.fingerprints
        number = self.stand_in.loaded.get(self.module, 0) if endpoint.generation_socket else None
        return Served(fingerprints=fingerprints, generation=number)

    def _served(self, endpoint: Endpoint, deadline: float) -> tuple[str, ...]:
        own = self.original if isinstance(self.original, TLSProbe) else TLSProbe()
        starttls = own.starttls or endpoint.starttls
        port = self.stand_in.port(self.module, endpoint.slot, str(starttls or ""))
        here = replace(
            endpoint, host="127.0.0.1", port=port, path=None, probe=None, generation_socket=None, starttls=starttls
        )
        return (
            TLSProbe(key_type=own.key_type).look(here, deadline, Expected(fingerprints=(), generation=0)).fingerprints
        )


class PromptProber(Prober):
    """Prober of the stand-in, which has taken a reload when that returns: it looks once, and gives a busy machine time."""

    def observe(
        self, wanted: Sequence[tuple[Endpoint, Expected]], *, timeout: float, handshakes: int, until_served: bool
    ) -> list[Observation]:
        """Probe each endpoint once."""
        return super().observe(wanted, timeout=max(timeout, SECONDS), handshakes=1, until_served=False)


def speaks_tls(probe: Probe | None) -> bool:
    """Whether a probe begins with TLS, or a STARTTLS that is known: a toy service can answer it so far."""
    if probe is None:
        return True
    own = (getattr(type(probe), name, None) for name in ("look", "before"))
    plain = (getattr(TLSProbe, name, None) for name in ("look", "before"))
    return isinstance(probe, TLSProbe) and [*own] == [*plain]

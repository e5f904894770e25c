"""Services of a simulated appliance: they read files when they are reloaded, and serve from memory until then."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from agent.contract.endpoint import Endpoint, Expected, Served
from agent.errors import AgentError, ProbeFailed
from agent.probing.probe import Observation, mismatch
from agent.system.command import Action, Command, CommandResult

TABLE = "sites"
"""File of a generation: a line for each name, with the file that serves it."""


@dataclass(frozen=True)
class Loaded:
    """What a service has in memory for one name."""

    id: str
    """SHA-256 of the leaf, lower-case hex."""
    fingerprints: tuple[str, ...]
    names: frozenset[str]
    not_before: datetime
    not_after: datetime
    """The earliest end over leaf and intermediates."""
    paired: bool
    """Whether the key is that of the leaf."""
    pem: bytes = field(default=b"", repr=False, compare=False)
    """Leaf and intermediates."""
    issuer: bytes = b""
    """Name of the leaf's issuer, DER."""


@dataclass
class Service:
    """One daemon: what it has loaded, and whether it runs."""

    live: Path
    runs: bool = True
    refuses: str = ""
    """What its test says of every configuration; empty: it takes them."""
    deaf: bool = False
    """A reload is answered with success and changes nothing."""
    serves: dict[str, Loaded] = field(default_factory=dict)
    """By name."""
    generation: int = 0

    @property
    def takes(self) -> bool:
        """Whether it takes into service what it is given."""
        return self.runs and not self.refuses and not self.deaf


class Wire:
    """All services of an appliance. It is runner and prober of the agent at once."""

    def __init__(self) -> None:
        self.services: dict[str, Service] = {}
        self.reloads = 0
        self.unserved: list[str] = []
        """Services that were given files that no service can serve: missing, torn, or a key of another certificate."""
        self._read: dict[tuple[int, int, int], Loaded] = {}

    def add(self, name: str, live: Path) -> None:
        """Put a service there that has not been started."""
        self.services.setdefault(name, Service(live, runs=False))

    def start(self, name: str) -> bool:
        """Start a service with what is on disk. Return whether it came up."""
        service = self.services[name]
        service.runs = self._load(service)
        return service.runs

    # What the agent runs

    def run(self, action: Action) -> CommandResult:
        """Answer ``wire check|reload NAME``."""
        assert isinstance(action, Command)
        _, verb, name = action.argv[:3]
        service = self.services[name]
        output = getattr(self, f"_{verb}")(service)
        missing = verb == "reload" and not service.runs
        return CommandResult(
            action, ok=not output, exit_code=1 if output else 0, output=output, seconds=0.0, missing=missing
        )

    def _check(self, service: Service) -> str:
        return service.refuses

    def _reload(self, service: Service) -> str:
        if not service.runs:
            return "it is not running"
        self.reloads += 1
        if service.deaf or self._load(service):
            return ""
        return "it can't read its files, and goes on with what it has"

    def _load(self, service: Service) -> bool:
        """Read what `live` leads to; a service that can't read everything takes nothing of it."""
        try:
            directory = service.live.resolve(strict=True)
            lines = [line.split() for line in (directory / TABLE).read_text().splitlines()]
            files = {file: self._loaded(directory / file) for file in dict.fromkeys(file for _, file in lines)}
        except (OSError, ValueError) as error:
            self.unserved.append(f"{service.live}: {error}")
            return False
        if unpaired := [file for file, each in files.items() if not each.paired]:  # every TLS library refuses that
            self.unserved.append(f"{service.live}: the key of {unpaired[0]} is another certificate's")
            return False
        service.serves = {name: files[file] for name, file in lines}
        service.generation = int(directory.name)
        return True

    def _loaded(self, file: Path) -> Loaded:
        status = file.stat()
        place = status.st_ino, status.st_mtime_ns, status.st_size
        if place not in self._read:
            self._read[place] = _loaded(file.read_bytes())
        return self._read[place]

    # What the agent sees

    def wait(self, seconds: float) -> None:
        """Wait between two looks: what a service does here, it does at once."""

    def observe(
        self, wanted: Sequence[tuple[Endpoint, Expected]], *, timeout: float, handshakes: int, until_served: bool
    ) -> list[Observation]:
        """Answer as `agent.probing.probe.Prober` does, at once."""
        return [self._observation(endpoint, expected) for endpoint, expected in wanted]

    def _observation(self, endpoint: Endpoint, expected: Expected) -> Observation:
        service = self._at(endpoint.port)
        served = service.serves.get(endpoint.server_name) if service and service.runs else None
        if service is None or served is None:
            return Observation(endpoint, None, ProbeFailed(str(endpoint), "connection refused", dead=True))
        seen = Served(fingerprints=served.fingerprints, generation=service.generation)
        problem: AgentError | None = mismatch(endpoint, seen, expected)
        return Observation(endpoint, seen, problem)

    def _at(self, port: int) -> Service | None:
        """Return the service at a port: they are numbered in their order."""
        services = list(self.services.values())
        return services[port - FIRST_PORT] if 0 <= port - FIRST_PORT < len(services) else None


FIRST_PORT = 7000


def _loaded(pem: bytes) -> Loaded:
    certificates = x509.load_pem_x509_certificates(pem)
    leaf = certificates[0]
    key = load_pem_private_key(pem[pem.index(b"-----BEGIN PRIVATE KEY") :], None)
    spki = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    alternatives = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    prints = tuple(hashlib.sha256(each.public_bytes(Encoding.DER)).hexdigest() for each in certificates)
    return Loaded(
        id=prints[0],
        fingerprints=prints,
        names=frozenset(alternatives.get_values_for_type(x509.DNSName)),
        not_before=max(each.not_valid_before_utc for each in certificates),
        not_after=min(each.not_valid_after_utc for each in certificates),
        pem=b"".join(each.public_bytes(Encoding.PEM) for each in certificates),
        issuer=leaf.issuer.public_bytes(),
        paired=key.public_key().public_bytes(*spki) == leaf.public_key().public_bytes(*spki),
    )

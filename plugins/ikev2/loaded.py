"""What was loaded into charon by this plugin, as it is remembered, and how what runs differs from it.

Anybody may load something else: `swanctl --load-all` unloads every connection that isn't in swanctl.conf, and no event tells
of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from plugins.ikev2.vici_socket import plain


@dataclass(frozen=True)
class Running:
    """What charon has at a moment, by its own names."""

    keys: frozenset[str]
    secrets: frozenset[str]
    certificates: frozenset[str]
    """SHA-256."""
    pools: Mapping[str, str]
    connections: Mapping[str, str]
    """With a digest of each, as charon lists it."""


def running(charon: Any) -> Running:
    """Ask charon."""
    certificates = charon.list_certs({"type": "X509"})
    pools = plain(charon.get_pools())
    return Running(
        keys=frozenset(plain(charon.get_keys()["keys"])),
        secrets=frozenset(plain(charon.get_shared()["keys"])),
        certificates=frozenset(sha256(each["data"]).hexdigest() for each in certificates),
        pools={name: _digest([each.get("base"), each.get("size")]) for name, each in pools.items()},
        connections={name: _digest(each) for listed in charon.list_conns() for name, each in plain(listed).items()},
    )


def _digest(value: object) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@dataclass
class Loaded:
    """Items that were loaded here, by charon's names."""

    directories: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    pools: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    connections: list[str] = field(default_factory=list)
    anchors: list[str] = field(default_factory=list)
    """SHA-256 of what some connection takes peers by."""
    certificates: list[str] = field(default_factory=list)
    """SHA-256 of those that charon has of ours."""
    seen: dict[str, str] = field(default_factory=dict)
    """Connection -> SHA-256 of the CA by which its other side has authenticated last."""
    digests: dict[str, str] = field(default_factory=dict)
    """Of connections and pools, as charon lists them."""

    @classmethod
    def read(cls, path: Path) -> Loaded:
        """Return what `path` says; nothing where it isn't there or is damaged: then nothing is taken away."""
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            return cls()

    def remember(self, path: Path) -> None:
        """Write it, as a whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)  # at boot charon may be there before the agent
        draft = path.with_name(f".{path.name}.new")
        draft.write_text(json.dumps(vars(self)))
        draft.replace(path)

    def note(self, present: Running, certificates: Iterable[bytes]) -> None:
        """Note how charon lists what was loaded; `certificates`: of ours, DER, of which some are left out."""
        ours = {sha256(each).hexdigest() for each in certificates}
        self.certificates = sorted(ours & present.certificates)
        self.digests = {each: present.connections.get(each, "") for each in self.connections}
        self.digests |= {f"pool {each}": present.pools.get(each, "") for each in self.pools}

    def differences(self, present: Running, directories: Iterable[Path]) -> Iterator[str]:
        """Yield, as clauses, how charon is not as it was loaded. `directories`: of the generations in service."""
        wanted = [str(each) for each in directories]
        if sorted(self.directories) != sorted(wanted):
            loaded = " and ".join(self.directories) or "nothing of the agent's"
            yield f"what is loaded is of {loaded}, not of {' and '.join(wanted)}"
            return
        yield from _missing("the connection", self.connections, present.connections)
        yield from _missing("the pool", self.pools, present.pools)
        yield from _missing("the secret", self.secrets, present.secrets)
        yield from _missing("the key", self.keys, present.keys)
        yield from _missing("the certificate", self.certificates, present.certificates)
        for name in self.connections:
            if present.connections.get(name, "") not in {"", self.digests.get(name, "")}:
                yield f"somebody has loaded another connection {name}"
        for name in self.pools:
            if present.pools.get(name, "") not in {"", self.digests.get(f"pool {name}", "")}:
                yield f"somebody has loaded another pool {name}"


def _missing(what: str, names: Iterable[str], present: Iterable[str]) -> Iterator[str]:
    for each in names:
        if each not in present:
            yield f"{what} {each[:40]} is not loaded"

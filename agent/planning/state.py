"""State that planning works on: what the modules declared, and what the store knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from agent.contract.window import Hours
from agent.model.challenge_windows import OpenWindow
from agent.model.deployment import Deployment, EndpointRecord, Refusal
from agent.model.dns_record import DnsRecord
from agent.model.kept_key import KeptKey
from agent.model.mta_sts import PolicyLook
from agent.model.pause import Pause
from agent.model.peer import Peer
from agent.model.persistent import PersistentLook
from agent.model.resolved import ResolvedName
from agent.model.restart import Restart
from agent.model.root import CrossCertificate, RootRecord
from agent.model.tlsa import TlsaLook
from agent.pki.key import KeyType
from agent.pki.revocation import Revocation, RevocationList
from agent.planning.evidence import Evidence

WAITING_AGAIN = timedelta(seconds=60)
"""How soon the daemon looks again for a service that wasn't running, and for an order that another process has."""


@dataclass(frozen=True, slots=True)
class Declared:
    """Declaration of a module in this pass."""

    name: str
    inputs: str
    """Digest of settings, templates, plugin and host facts."""
    window: Hours | None = None
    resolved: str = ""
    """Digest of the addresses of the host names that it needs; empty: it needs none, or none is known."""
    withheld: bool = False
    """Nothing is switched: a policy that governs it can't be used. What is in service goes on being looked at."""


@dataclass(frozen=True, slots=True)
class ClockDoubt:
    """The machine's clock isn't believed: what needs the network waits, and nothing is decided by that clock."""

    ask_at: datetime | None = None
    """When CAs are asked what time it is; None: there is none that can be."""


@dataclass(frozen=True)
class State:
    """What the store knows, as far as planning goes."""

    evidence: Evidence
    deployments: Mapping[str, Deployment]
    live_chains: Mapping[str, Mapping[str, str]]
    """Module -> slot -> id of the chain in the generation that is in service."""
    refusals: tuple[Refusal, ...]
    endpoints: tuple[EndpointRecord, ...]
    leased: frozenset[tuple[str, str]] = frozenset()
    """`(request, source)` that is worked at, or that was tried just now."""
    roots: Mapping[str, datetime] = field(default_factory=dict)
    """SHA-256 of each own root whose key we have -> when it ends."""
    own_roots: tuple[RootRecord, ...] = ()
    """The newest first."""
    crosses: tuple[CrossCertificate, ...] = ()
    root_key_types: tuple[KeyType, ...] = (KeyType.ECDSA_P256,)
    """Wanted for roots: of the main one, and of one of another kind beside it."""
    peers: tuple[Peer, ...] = ()
    names: tuple[ResolvedName, ...] = ()
    """Host names that modules need addresses of."""
    held_back: Mapping[str, Pause] = field(default_factory=dict)
    """SHA-256 of a peer certificate that could not be signed again -> the pause before the next try."""
    revocations: tuple[Revocation, ...] = ()
    lists: Mapping[str, RevocationList] = field(default_factory=dict)
    """SHA-256 of a root -> its newest list."""
    kept_keys: Mapping[str, tuple[KeptKey, ...]] = field(default_factory=dict)
    """Id of a request -> the keys that it keeps."""
    tlsa: Mapping[str, TlsaLook] = field(default_factory=dict)
    """Owner name -> its TLSA records as DNS had them last."""
    records: tuple[PersistentLook, ...] = ()
    """Records by which dns-persist-01 proves names, as they were seen last."""
    policies: Mapping[str, PolicyLook] = field(default_factory=dict)
    """Domain -> its MTA-STS policy as it was last."""
    asks_dns: bool = False
    """Whether the settings let DNS be asked for them."""
    dns_records: tuple[DnsRecord, ...] = ()
    """Records in DNS whose order nobody works at."""
    windows: tuple[OpenWindow, ...] = ()
    """Challenge windows that no order needs any more."""
    restarts: tuple[Restart, ...] = ()
    """The last starts of services that had ended."""
    doubt: ClockDoubt | None = None
    """None: the clock is believed."""
    irrevocable_from: datetime | None = None
    """When what can't be undone may be done at the earliest, as the clock has to be believed for a while; None: at once."""

"""Needs of modules, and the requests that the core makes of them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from copy import copy
from dataclasses import KW_ONLY, dataclass
from functools import cached_property

from agent.model.kept_key import KeyReuse
from agent.pki.chain import KeyType, Purpose
from agent.system.argument_types import refuse_wrong_types
from agent.system.names import is_address, is_public, names_by_wildcards, parse_name

SLOT = re.compile(r"[a-z0-9_][a-z0-9._-]{0,127}")
"""A slot is a directory's name and part of addresses and logs."""
MOST_NAMES = 1000
"""Of one chain: a handshake of more than some dozen kilobytes is refused by most clients."""
CHAIN_ID = re.compile(r"[0-9a-f]{1,64}", re.IGNORECASE)
"""The beginning of a chain's id, or all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """Facts about this machine, read in each pass."""

    name: str
    """Host name as configured, a label or a full name, canonical."""
    addresses: tuple[str, ...]
    """Every address of every interface but link-local ones, sorted; canonical."""
    failing: tuple[str, ...] = ()
    """Names that a CA could not validate lately, sorted: a module with other names beside them may ask for those alone."""
    wildcards: tuple[str, ...] = ()
    """What the operator prefers to single names: `Need.wildcards` of modules that don't say otherwise."""

    def to_json(self) -> dict[str, object]:
        """Return plain JSON types."""
        found: dict[str, object] = {"name": self.name, "addresses": list(self.addresses), "failing": list(self.failing)}
        return found | ({"wildcards": list(self.wildcards)} if self.wildcards else {})


@dataclass(frozen=True, kw_only=True)
class Request:
    """`(names, key type, purpose)`: needs that agree share one, with its order, back-off, chain and reissue."""

    names: frozenset[str]
    key_type: KeyType
    purpose: Purpose = Purpose.SERVER

    @cached_property
    def id(self) -> str:
        """SHA-256 over the canonical form, lower-case hex."""
        text = json.dumps([sorted(self.names), self.key_type, self.purpose])
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def public(self) -> bool:
        """Whether every name can be asked of a public CA."""
        return all(is_public(name) for name in self.names)


@dataclass(frozen=True)
class Need:
    """One chain that a module asks for, identified by `(module, slot)` and never by its names."""

    names: tuple[str, ...]
    _: KW_ONLY
    slot: str = "default"
    key_types: tuple[KeyType, ...] = (KeyType.ECDSA_P256, KeyType.RSA_2048)
    """Accepted, in order of preference; the first is asked for."""
    purpose: Purpose = Purpose.SERVER
    sources: tuple[str, ...] | None = None
    """Allowed rungs of the ladder; None: all."""
    pin: str | None = None
    """Id of an uploaded chain (a unique beginning is enough), or one of its names, that is preferred."""
    lists_rsa: str = ""
    """What asks clients for certificates of the appliance's root where the chain is presented, and names only roots with RSA
    keys to them; empty: nothing does."""
    keep_key: KeyReuse | None = None
    """How long the chains that are made for it keep their key; None: each has a new one. Needs that share a request share its
    key, which is kept if any of them asks for it, for the shortest time that one does."""
    tlsa: tuple[str, ...] = ()
    """Names of the TLSA records (RFC 6698) that clients judge the chain by, such as ``_25._tcp.mail.example.com``."""
    mta_sts: tuple[str, ...] = ()
    """Domains whose MTA-STS policies (RFC 8461) are to fit what the module serves."""
    wildcards: tuple[str, ...] | None = None
    """Wildcards that a source is asked for in place of the names that they cover, so that needs share a chain; an apex among
    them is asked for with its wildcard. None: filled in by the core."""
    module: str = ""
    """Filled in by the core."""

    def __post_init__(self) -> None:
        refuse_wrong_types(self)
        if not SLOT.fullmatch(self.slot):
            raise ValueError(f'slot "{self.slot}" must be lower-case letters, digits, ".", "_" or "-"')
        object.__setattr__(self, "slot", str.__str__(self.slot))  # a class derived from str may compare as it likes
        if not self.names:
            raise ValueError(f'slot "{self.slot}" asks for a chain without a name')
        if len(self.names) > MOST_NAMES:
            raise ValueError(
                f'slot "{self.slot}" asks for a chain with {len(self.names)} names, more than {MOST_NAMES}'
            )
        if not self.key_types:
            raise ValueError(f'slot "{self.slot}" accepts no key type')
        if not _all_are(self.key_types, KeyType):
            raise ValueError(f'the key_types of slot "{self.slot}" must be a tuple of KeyType')
        names = tuple(dict.fromkeys(parse_name(name) for name in self.names))
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "pin", _canonical_pin(self.pin))
        _refuse_a_mix(self.slot, names)

    def of(self, module: str, wildcards: tuple[str, ...] = ()) -> Need:
        """Return this need with its owner's name, and with `wildcards` where it doesn't say its own."""
        need = copy(self)  # nothing to validate again
        object.__setattr__(need, "module", module)
        if self.wildcards is None and wildcards:
            need.__dict__.pop("request", None)  # kept of the original
            need.__dict__.pop("asked", None)
            object.__setattr__(need, "wildcards", wildcards)
        return need

    @property
    def key(self) -> tuple[str, str]:
        """`(module, slot)`."""
        return self.module, self.slot

    @cached_property
    def asked(self) -> tuple[str, ...]:
        """The names that a source which makes chains to order is asked for."""
        return names_by_wildcards(self.names, self.wildcards) if self.wildcards else self.names

    @cached_property
    def request(self) -> Request:
        """What is asked of a source that makes chains to order."""
        return Request(names=frozenset(self.asked), key_type=self.key_types[0], purpose=self.purpose)


def _all_are(values: object, kind: type) -> bool:
    return isinstance(values, tuple | list) and all(isinstance(each, kind) for each in values)


def _canonical_pin(pin: str | None) -> str | None:
    if not pin:
        return None
    return pin.lower() if CHAIN_ID.fullmatch(pin) else parse_name(pin)


def _refuse_a_mix(slot: str, names: Iterable[str]) -> None:
    """A public CA would refuse the whole order for one local name (RFC 8555 section 7.4)."""
    public = [name for name in names if is_public(name) and not is_address(name)]
    local = [name for name in names if name not in public]
    if public and local:
        raise ValueError(
            f'slot "{slot}" mixes the public name {public[0]} with {local[0]}, which no public CA certifies: use two slots'
        )

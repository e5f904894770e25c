"""Facts for binding and planning: the ladder, and what the store knows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import groupby

from agent.contract.source import ChainRecord, OrderRecord, RequestState, Watch
from agent.model.need import Need
from agent.model.records import FailingName
from agent.model.root import Signer
from agent.pki.key import KeyKind
from agent.planning.chain_index import ChainIndex
from agent.registry.sources import SourceHandle


@dataclass(frozen=True)
class Evidence:
    """Facts for binding and planning: the ladder, and what the store knows."""

    ladder: tuple[SourceHandle, ...]
    chains: tuple[ChainRecord, ...]
    orders: Mapping[tuple[str, str], OrderRecord]
    """By `(request id, source)`."""
    signers: Mapping[KeyKind, Signer]
    """Which root signs, by the kind of key that it signs for; empty before the first one."""
    reissues: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Id of a request -> ids of its chains that a person wants others in place of."""
    failing: tuple[FailingName, ...] = ()
    """Names that are asked for apart because a CA could not validate them."""
    forced: frozenset[str] = frozenset()
    """Ids of the requests for which that person insisted."""
    watches: Mapping[str, Watch] = field(default_factory=dict)
    """Id of a chain -> what its CA says of it."""
    refused: frozenset[tuple[str, str, str]] = frozenset()
    """`(module, slot, id of a chain)`: the service of that module did not take the chain for that slot."""
    pins: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """`(module, slot)` -> id of the uploaded chain that a person pinned; what the settings pin goes before it."""
    dns_zones: tuple[str, ...] = ()
    """Zones of the DNS solvers; an empty text: every zone."""
    persistent: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Source -> names for which a lasting record was seen in DNS that lets its CA issue."""

    @cached_property
    def index(self) -> ChainIndex:
        """The chains by what a need asks for."""
        return ChainIndex(self.chains, self.signers)

    def rungs(self, need: Need) -> list[SourceHandle]:
        """Return the sources that `need` allows, in the order of the ladder."""
        return [
            source for source in self.ladder if need.sources is None or {source.name, source.group} & set(need.sources)
        ]

    def groups(self, need: Need) -> list[tuple[SourceHandle, ...]]:
        """Return the same, those of one group together: most are alone in theirs."""
        return [tuple(members) for _, members in groupby(self.rungs(need), key=lambda each: each.group)]

    def orders_of(self, request: str, members: Iterable[SourceHandle]) -> dict[str, OrderRecord]:
        """Return what became of a request at some sources, by their names."""
        found = {each.name: self.orders.get((request, each.name)) for each in members}
        return {name: order for name, order in found.items() if order is not None}


def state_of(need: Need, source: SourceHandle, evidence: Evidence, bound: str | None, now: datetime) -> RequestState:
    """Return what `source` may look at when it is asked about a need's request."""
    made = evidence.index.made_for([source.name], need.request.id, now)
    chain = made[0] if made else None
    signer = evidence.signers.get(need.request.key_type.kind)
    return RequestState(
        chain=chain,
        bound=evidence.index.get(bound),
        order=evidence.orders.get((need.request.id, source.name)),
        root=signer.root if signer else None,
        sent_with_root=signer.sent_with if signer else (),
        root_until=signer.until if signer else None,
        watch=evidence.watches.get(chain.id) if chain else None,
        dns_zones=evidence.dns_zones,
        persistent=evidence.persistent.get(source.name, frozenset()),
    )

"""A ladder of toy sources, and what a store would know, for tests of what is pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from agent.contract.source import ChainRecord, Due, Offer, OrderContext, OrderRecord, RequestState, Source
from agent.errors.source import SourceError
from agent.model.need import Need, Request
from agent.model.root import Signer
from agent.pki.chain import Chain, KeyType, Purpose
from agent.pki.key import KeyKind
from agent.planning.evidence import Evidence
from agent.planning.renewal import renewal_instant
from agent.registry.sources import SourceHandle
from agent.sources import LocalSource, UploadedSource

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ROOT = "d" * 64


class Toy(Source):
    """Serves public names only, slowly, like a public CA."""

    name: ClassVar[str] = "toy"
    account: str = "one"

    def offers(self, request: Request, state: RequestState) -> Offer:
        private = sorted(
            name for name in request.names if not Request(names=frozenset({name}), key_type=request.key_type).public
        )
        return Offer(serves=not private, reason=f"{private[0]} is no public name" if private else "")

    def due(self, request: Request, state: RequestState, now: datetime) -> Due:
        if state.chain is None:
            return Due(at=now, reason="there is no toy chain yet")
        return Due(
            at=renewal_instant(state.chain.not_before, state.chain.not_after), reason="a third of its lifetime is left"
        )

    def obtain(self, request: Request, session: OrderContext) -> Chain:
        raise SourceError("Toys deliver nothing.")


class Slow(Toy):
    """A second one of the kind."""

    name: ClassVar[str] = "slow"


UPLOADED, TOY, SLOW, LOCAL = (SourceHandle(each, own=True) for each in (UploadedSource(), Toy(), Slow(), LocalSource()))
LADDER = (UPLOADED, TOY, LOCAL)


def need(*names: str, slot: str = "default", module: str = "mail", **more) -> Need:
    return Need(names=names or ("www.chain.dev",), slot=slot, module=module, **more)


def record(
    label: str,
    source: str,
    names: Iterable[str] = ("www.chain.dev",),
    *,
    made_for: Need | None = None,
    since: datetime = NOW - DAY,
    days: float = 90,
    key_type: KeyType = KeyType.ECDSA_P256,
    purposes: tuple[Purpose, ...] = (Purpose.SERVER,),
    root: str | None = None,
    **more,
) -> ChainRecord:
    """Return a chain as the store knows it. `label` makes its id, of which it is the beginning if it is hex."""
    chain_id = (label + hashlib.sha256(label.encode()).hexdigest())[:64]
    return ChainRecord(
        id=chain_id,
        source=source,
        names=tuple(names),
        key_type=key_type,
        purposes=purposes,
        issuer="Toy CA",
        serial="1",
        not_before=since,
        not_after=since + timedelta(days=days),
        fingerprints=(chain_id,),
        request=made_for.request.id if made_for else None,
        root=root,
        **more,
    )


def upload(label: str, *names: str, **more) -> ChainRecord:
    return record(label, "uploaded", names or ("www.chain.dev",), **more)


def local(label: str, made_for: Need, *, root: str | None = ROOT, **more) -> ChainRecord:
    return record(label, "local", made_for.asked, made_for=made_for, root=root, **more)


def toy(label: str, made_for: Need, **more) -> ChainRecord:
    return record(label, more.pop("source", "toy"), made_for.asked, made_for=made_for, **more)


def failed(
    made_for: Need,
    source: SourceHandle = TOY,
    *,
    retry_at: datetime | None = None,
    cause: str = "The CA is away.",
    **more,
) -> OrderRecord:
    return OrderRecord(
        request=made_for.request.id,
        source=source.name,
        attempts=1,
        retry_at=retry_at,
        problem={"code": "source", "cause": cause},
        permanent=retry_at is None,
        **{"settings_digest": source.settings_digest, **more},
    )


def evidence(
    *chains: ChainRecord,
    ladder: tuple[Source | SourceHandle, ...] = LADDER,
    orders: Iterable[OrderRecord] = (),
    root: str | None = ROOT,
    **more: Any,
) -> Evidence:
    asked = {(order.request, order.source): order for order in orders}
    rungs = tuple(each if isinstance(each, SourceHandle) else SourceHandle(each, own=True) for each in ladder)
    return Evidence(rungs, chains, asked, signed_by(root), **more)


def signed_by(root: str | None, **more: Any) -> dict[KeyKind, Signer]:
    """Return what signs where there is one root for all keys."""
    return {kind: Signer(root, **more) for kind in KeyKind} if root else {}

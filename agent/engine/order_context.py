"""Services passed to a source for one order: those of `source_context`, what it saved, and the appliance's root."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from agent.engine.delivery_checks import checked_text
from agent.engine.kept_keys import KeyKeeper
from agent.engine.source_context import SourceServices, StoredSourceContext
from agent.errors.root import RootMissing
from agent.model.need import Request
from agent.pki.authority import Root
from agent.pki.chain import Chain
from agent.pki.key import KeyKind
from agent.planning import Obtain
from agent.registry.sources import SourceHandle

if TYPE_CHECKING:
    from agent.pki.private_key import PrivateKey

NEVER_JUDGED = -1
"""Before the first edition of the judge."""


class StoredOrderContext(StoredSourceContext):
    """`agent.contract.source.OrderContext` for one order."""

    def __init__(
        self,
        services: SourceServices,
        source: SourceHandle,
        obtain: Obtain,
        stop: threading.Event,
        roots: dict[KeyKind, Root] | None = None,
        *,
        holds: bool = False,
    ) -> None:
        about = {"names": sorted(obtain.request.names), "request": obtain.request.id}
        super().__init__(services, source, stop, about, holds=holds)
        self._key = (obtain.request.id, obtain.source)
        self._forced = obtain.forced
        self._keep_key, self._tlsa = obtain.keep_key, obtain.tlsa
        self._saved: Mapping[str, Any] | None = None
        self.remarks: list[str] = []
        """What the source says of the chain that it is about to deliver."""
        self._roots = {} if roots is None else roots
        self._kind = obtain.request.key_type.kind

    @property
    def saved(self) -> Mapping[str, Any]:
        """What was saved last, also by a process that has died since."""
        if self._saved is None:
            self._saved = self._services.writer.read(lambda store: store.orders.saved(*self._key))
        return self._saved

    def save(self, state: Mapping[str, Any]) -> None:
        """Keep `state` on disk, sealed."""
        plain: dict[str, Any] = json.loads(json.dumps(dict(state)))  # what a next process will read
        self._services.writer.write(lambda store: store.orders.save(*self._key, plain))
        self._saved = plain

    @cached_property
    def attempts(self) -> int:
        """Failures in a row before this try, those that don't count left out."""
        record = self._services.writer.read(lambda store: store.orders.record(*self._key))
        return record.attempts if record else 0

    @property
    def order(self) -> tuple[str, str]:
        """Id of the request, and source."""
        return self._key

    @property
    def forced(self) -> bool:
        """Whether a person insists."""
        return self._forced

    @cached_property
    def replaced(self) -> Chain | None:
        """The newest chain of this source for this request, good or not."""
        request, source = self._key
        return self._services.writer.read(lambda store: store.chains.newest(source, request))

    @property
    def served(self) -> tuple[Chain, int] | None:
        """The chain of this source for this request if it is still good, with the edition of the judge that let it in.

        To one that was stored before there was a judge, every check is new.
        """
        chain = self.replaced
        record = self._services.writer.read(lambda store: store.chains.record(chain.id)) if chain else None
        return (chain, record.edition or NEVER_JUDGED) if chain and record and record.good(self.now()) else None

    def key_for(self, request: Request) -> PrivateKey:
        """Return the key for a chain: a new one, or the one that is kept for it. Ask once for an order, and save it."""
        return KeyKeeper(self._services.writer, self._services.clock).key_for(request, self._keep_key, self._tlsa)

    def remark(self, sentence: str) -> None:
        """Say something of the chain that is about to be delivered; it is kept with it."""
        self.remarks.append(checked_text(sentence))

    def signed(self, chain: Chain) -> bool:
        """Whether the appliance's own root has signed `chain` for this order."""
        root = self._roots.get(self._kind)
        return root is not None and root.sha256 in chain.issuers

    def issue(self, request: Request, lifetime: timedelta) -> Chain:
        """Have the root sign a chain, with the key of `key_for`."""
        kind = request.key_type.kind
        root = self._roots.get(kind)
        if root is None:
            root = self._services.writer.read(lambda store: store.roots.load_signing(kind, self.now()))
        if root is None:
            raise RootMissing
        self._roots[kind] = root
        names, key = sorted(request.names), self.key_for(request)
        return root.issue(names, request.key_type, request.purpose, self.now(), lifetime, key=key)

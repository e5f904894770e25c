"""Sources that need no network are asked under the lock: meanwhile others can write, and what was made isn't lost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.contract.context import Http01
from agent.engine.bus import Bus
from agent.engine.orders import obtain_at_once
from agent.engine.source_context import SourceServices
from agent.engine.workers import Workers
from agent.model.need import Request
from agent.pki.authority import Root
from agent.pki.chain import Chain, KeyType, Purpose
from agent.planning import Obtain
from agent.registry.sources import SourceHandle
from agent.sources.local import LocalSource
from agent.store import Store
from agent.system.layout import Layout

NOW = datetime(2026, 11, 29, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(Layout(tmp_path)) as opened:
        with opened.write():
            opened.roots.add(Root.create("R", "", NOW, NOW), NOW)
        yield opened


@pytest.fixture
def services(store: Store) -> SourceServices:
    workers = Workers(store.layout, Bus(), lambda: NOW)
    return workers.services(Http01(webroot=store.layout.webroot, thumbprint=None), "job", store)


class Watched(LocalSource):
    """A local source during whose work another connection writes, which waits for nobody."""

    def obtain(self, request: Request, session) -> Chain:  # type: ignore[no-untyped-def]
        layout = Layout(session.rooted("/"))
        with Store.open_existing(layout) as other:
            other.database.execute("pragma busy_timeout = 0")
            with other.write():
                other.remember(f"while {min(request.names)}", str(len(list(other.chains.records()))))
        return super().obtain(request, session)


def wanted(name: str) -> Obtain:
    return Obtain(
        "local", Request(names=frozenset({name}), key_type=KeyType.ECDSA_P256, purpose=Purpose.SERVER), (), "", True
    )


def test_others_can_write_while_keys_are_made(store: Store, services: SourceServices) -> None:
    asked = [(SourceHandle(Watched(), own=True), wanted(name)) for name in ("a.example", "b.example")]
    made = list(obtain_at_once(store, Bus(), asked, services))
    assert [each.error for each in made] == [None, None]
    assert {each.names for each in store.chains.records()} == {("a.example",), ("b.example",)}
    assert store.meta("while a.example") == store.meta("while b.example") == "0", "one transaction for both"


def test_what_takes_long_is_stored_bit_by_bit(store: Store, services: SourceServices) -> None:
    asked = [(SourceHandle(Watched(), own=True), wanted(name)) for name in ("a.example", "b.example")]
    assert len(list(obtain_at_once(store, Bus(), asked, services, batch_seconds=0.0))) == 2
    assert (store.meta("while a.example"), store.meta("while b.example")) == ("0", "1")

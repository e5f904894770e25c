"""The version of a store: another one after each change, whoever has made it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.store import Store
from agent.system.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def test_it_stays_while_nothing_is_stored(layout):
    with Store.open(layout) as store:
        before = store.version
        store.chains.records()
        assert store.version == before


def test_it_is_another_one_after_a_change_of_its_own(layout):
    with Store.open(layout) as store:
        before = store.version
        with store.write():
            store.remember("word", "said")
        assert store.version != before


def test_it_is_another_one_after_a_change_of_another_connection(layout):
    with Store.open(layout) as store:
        before = store.version
        with store.again() as other, other.write():
            other.remember("word", "said")
        assert store.version != before

"""A layout and its store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.store import Store
from agent.system.layout import Layout


@pytest.fixture
def layout(tmp_path: Path, monkeypatch) -> Layout:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    return Layout(tmp_path)


@pytest.fixture
def store(layout: Layout) -> Iterator[Store]:
    with Store.open(layout) as opened:
        yield opened

"""Sources of the ladder for operations that wait for a CA, which hold no lock."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from agent.contract.source import SourceContext
from agent.engine.engine import Engine
from agent.engine.pass_inputs import with_account_key
from agent.engine.source_context import StoredSourceContext
from agent.errors.operations import NotInLadder
from agent.operations.locked_state import locked_state
from agent.registry.sources import SourceHandle


@contextmanager
def source_context(
    engine: Engine, source: str, wait: float = 60.0, **about: Any
) -> Iterator[tuple[SourceHandle, SourceContext]]:
    """Yield a source of the ladder with its context. Raises `NotInLadder`, and `LockHeld` after `wait` seconds.

    `about`: JSON types that go with its progress.
    """
    with locked_state(engine, wait) as state:
        inputs = with_account_key(state.inputs, state.store, state.now)
        rung = inputs.settings.rungs.get(source)
        if rung is None:
            raise NotInLadder(source, inputs.settings.rungs)
        services = engine.workers.services(inputs.enabled.http01, secrets.token_hex(4), settings=inputs.settings)
    try:
        yield rung, StoredSourceContext(services, rung, threading.Event(), about)
    finally:
        engine.workers.close()

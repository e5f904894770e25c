"""Sources of the ladder for operations that wait for a CA, which hold no lock."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from agent.contract.source import SourceContext
from agent.engine.account_keys import with_account_key
from agent.engine.engine import Engine
from agent.engine.source_context import StoredSourceContext
from agent.errors.operations import NotInLadder
from agent.operations.locked_state import locked_state
from agent.registry.sources import SourceHandle


@contextmanager
def source_context(
    engine: Engine, source: str, wait: float = 60.0, **about: Any
) -> Iterator[tuple[SourceHandle, SourceContext]]:
    """Yield a source of the ladder with its context. Raises `NotInLadder`, and `LockHeld` after `wait` seconds.

    `source`: its name, or that of its group, which means the first one. `about`: JSON types that go with its progress.
    """
    with source_contexts(engine, lambda each: source in {each.name, each.group}, source, wait, **about) as found:
        yield next((each for each in found if each[0].name == source), found[0])


@contextmanager
def source_contexts(
    engine: Engine, wanted: Callable[[SourceHandle], bool], called: str, wait: float = 60.0, **about: Any
) -> Iterator[list[tuple[SourceHandle, SourceContext]]]:
    """Yield some sources of the ladder, at least one, in its order. `called`: for people. Raises like `source_context`."""
    with locked_state(engine, wait) as state:
        inputs = with_account_key(state.inputs, state.store, state.now)
        rungs = [each for each in inputs.settings.rungs.values() if wanted(each)]
        if not rungs:
            raise NotInLadder(called, inputs.settings.rungs)
        services = engine.workers.services(inputs.enabled.http01, secrets.token_hex(4), settings=inputs.settings)
    try:
        yield [(each, StoredSourceContext(services, each, threading.Event(), about)) for each in rungs]
    finally:
        engine.workers.close()

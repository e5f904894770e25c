"""One order at a time for the same names: some CAs give the order that is pending to the next request for its names."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from agent.contract.source import OrderContext
from agent.errors import OrderCancelled
from agent.sources.acme.steps import OrderStep

GLANCE = 0.2
"""Seconds between two looks at whether the agent wants to stop."""


class OrderLocks:
    """The names for which orders are under way. Any thread may use it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken: set[frozenset[str]] = set()

    @contextmanager
    def taken(self, names: frozenset[str], context: OrderContext) -> Iterator[None]:
        """Wait until no other order is under way for just these names. Raises `OrderCancelled`."""
        self._wait(names, context)
        try:
            yield
        finally:
            with self._changed:
                self._taken.discard(names)
                self._changed.notify_all()

    def _wait(self, names: frozenset[str], context: OrderContext) -> None:
        tell: Callable[[str, str], None] | None = context.progress
        with self._changed:
            while names in self._taken:
                if tell:
                    tell(OrderStep.WAITING, "another order for the same names comes first")
                    tell = None
                if context.cancelled:
                    raise OrderCancelled("acme")
                self._changed.wait(GLANCE)
            self._taken.add(names)

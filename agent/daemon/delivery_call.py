"""One call of an observer or a notifier, in a thread of its own: it may take long, or never end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from queue import SimpleQueue
from threading import Thread

from agent.contract.notifier import NotifierContext
from agent.daemon.delivery_marks import DeliveryMarks
from agent.model.events import Event
from agent.registry.guard import PluginFailed
from agent.registry.listeners import Listener


class DeliveryCall:
    """Telling of the first of some events that a listener wants; what it doesn't want before that is passed."""

    def __init__(
        self,
        listener: Listener,
        events: Sequence[Event],
        context: NotifierContext,
        marks: DeliveryMarks,
        ended: SimpleQueue[DeliveryCall],
    ) -> None:
        """Begin it. `ended` is given the call when it has ended."""
        self.listener = listener
        self.event = events[0]
        """The one that it is told of, or was last."""
        self.failure: PluginFailed | None = None
        self.is_given_up = False
        """Whether it hangs, as far as anybody else goes."""
        self.overdue_at = time.monotonic() + listener.seconds
        self._events = events
        self._context = context
        self._marks = marks
        self._ended = ended
        self._thread = Thread(target=self._run, name=listener.name, daemon=True)
        self._thread.start()

    @property
    def place(self) -> str:
        """``FILE:LINE`` of the plugin: where it is now."""
        return self.listener.place(self._thread.ident)

    def _run(self) -> None:
        try:
            self.listener.guard.here(self.listener.asked, self._tell)
        except PluginFailed as failure:
            self.failure = failure
        self._ended.put(self)

    def _tell(self) -> None:
        for event in self._events:
            self.event = event
            self._marks.begin(self.listener.name, event.id or 0)
            if self.listener.wants(event):
                self.listener.tell(event, self._context)
                return

"""Contract of notifiers: what tells somebody else of events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from agent.model.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifierContext:
    """Context of one call of a notifier."""

    host: str
    """Host name of the appliance."""
    now: datetime
    """UTC."""
    stopping: Callable[[], bool]
    """Whether the agent wants to end: what takes long is to give up, and is told again at its next start."""


class Notifier(BaseModel, ABC):
    """Teller of events to somebody else: a class is a plugin's declaration, an instance the operator's ``[notify.NAME]`` table.

    It is told of stored events in a process of its own, one at a time and in their order. What it raises is a finding, and the
    event is sent again after a pause that grows; so it may get an event twice, and none is lost.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    seconds: ClassVar[float] = 10.0
    """For one event, 60 at most; then it hangs, and is tried again like one that has raised."""

    def wants(self, event: Event) -> bool:
        """Whether it is to be told of an event; pure."""
        return True

    @abstractmethod
    def send(self, event: Event, context: NotifierContext) -> None:
        """Tell somebody of an event; it may use the network. Raises whatever it likes where that fails."""

"""A source could not deliver a chain."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import ClassVar

from agent.errors.base import AgentError


class Elsewhere(StrEnum):
    """Whether another CA may do what one could not."""

    NEVER = "never"
    """The settings are wrong, or a name can't be validated: it would fail there as well, and cost a failure there too."""
    AT_ONCE = "at once"
    """It is this CA alone that does not want: a limit of it, or it does not certify the name."""
    LASTING = "when it lasts"
    """The CA is out of order: after some failures, or at once where nothing serves that lasts."""


class SourceError(AgentError):
    """A source could not deliver. `retry_at` None: only a change of settings or a person helps."""

    code = "source"
    counts: ClassVar[bool] = True
    """Whether it is one more failure in a row; a limit of the CA that was reached is none."""
    elsewhere: ClassVar[Elsewhere] = Elsewhere.NEVER
    """Whether the next CA is asked, where the settings name several."""

    @cached_property
    def earliest(self) -> datetime | None:
        """When the CA allows the next try, where it says so: before what is served ends, `retry_at` is not waited for."""
        return None

    @cached_property
    def failed(self) -> frozenset[str]:
        """Names of the request that the failure is about; empty: it is about none in particular."""
        return frozenset()

    @cached_property
    def passed(self) -> frozenset[str]:
        """Names of the request that are known to be fine all the same."""
        return frozenset()


class NotRevocable(SourceError):
    """A source whose chains nobody can revoke."""

    code = "source.not_revocable"
    cause = "Chains of {source} can't be revoked by the agent."
    where = "{source}"
    fix = "Reissue it instead, so that it's no longer used: chainwright reissue NAME"
    source: str


class OrderCancelled(SourceError):
    """The agent stops; the order goes on in its next run."""

    code = "source.cancelled"
    cause = "The order was interrupted because the agent stops."
    where = "{source}"
    fix = "It goes on in the next run: chainwright apply"
    source: str


class OrderHeld(OrderCancelled):
    """The machine's clock isn't believed; the order goes on when it is."""

    code = "source.held"
    cause = "The order waits, as the machine's clock isn't believed."
    where = "{source}"
    fix = "It goes on when the clock is right, or was accepted: chainwright clock accept"


class KeyGivenUp(SourceError):
    """A chain came with a key that was given up while it was under way."""

    code = "source.key_given_up"
    counts = False
    cause = "The chain that {source} delivered is not used: its key was given up meanwhile, as {reason}."
    where = "{source}"
    fix = "A chain with another key is asked for at once."
    source: str
    reason: str
    retry_at: datetime


class SourceCrashed(SourceError):
    """A source raised something that isn't its contract."""

    code = "source.crashed"
    elsewhere = Elsewhere.LASTING
    cause = "The source failed in a way it does not explain: {error:reason}."
    where = "{source}{place:? (%)}"
    fix = "This is a defect of the plugin: chainwright plugins names its distribution."
    source: str
    error: BaseException
    retry_at: datetime
    place: str = ""
    """File and line of the plugin."""

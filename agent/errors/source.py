"""A source could not deliver a chain."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from agent.errors.problem import AgentError


class SourceError(AgentError):
    """A source could not deliver. `retry_at` None: only a change of settings or a person helps."""

    code = "source"
    counts: ClassVar[bool] = True
    """Whether it is one more failure in a row; a limit of the CA that was reached is none."""
    failed: frozenset[str] = frozenset()
    """Names of the request that the failure is about; empty: it is about none in particular."""
    passed: frozenset[str] = frozenset()
    """Names of the request that are known to be fine all the same."""


class NotRevocable(SourceError):
    """A source whose chains nobody can revoke."""

    code = "source.not_revocable"

    def __init__(self, source: str) -> None:
        super().__init__(
            f"Chains of {source} can't be revoked by the agent.",
            where=source,
            fix="Reissue it instead, so that it's no longer used: chainwright reissue NAME",
        )


class OrderCancelled(SourceError):
    """The agent stops; the order goes on in its next run."""

    code = "source.cancelled"

    def __init__(self, source: str) -> None:
        super().__init__(
            "The order was interrupted because the agent stops.",
            where=source,
            fix="It goes on in the next run: chainwright apply",
        )


class SourceCrashed(SourceError):
    """A source raised something that isn't its contract."""

    code = "source.crashed"

    def __init__(self, source: str, error: BaseException, retry_at: datetime) -> None:
        from agent.errors.plugin import reason_of

        super().__init__(
            f"The source failed in a way it does not explain: {reason_of(error)}.",
            where=source,
            fix="This is a defect of the plugin: chainwright plugins names its distribution.",
            retry_at=retry_at,
        )

"""Routes: all that is known of a method and a path, for dispatch and for the OpenAPI document."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from agent.api.access import Access, Proof
from agent.api.request import ApiRequest, ApiResponse
from agent.auth.login_attempt import Attempt

Handler = Callable[[ApiRequest], ApiResponse]
AttemptOf = Callable[[ApiRequest], Attempt]
Follower = Callable[[ApiRequest], AsyncIterator[bytes]]


def _whole(value: object) -> object:
    """JSON knows no integers: 90.0 is the same number as 90 (JSON Schema 2020-12, section 4.2.3)."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_whole)]


class Input(BaseModel):
    """Model of a query or a content: unknown names are refused, and nothing is guessed from another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Pool(StrEnum):
    """Thread pool in which a handler runs: what is slow must not delay what is quick."""

    IDENTIFY = "identify"
    """Finds out who calls, before anything else."""
    READ = "read"
    LOOK = "look"
    """Runs commands of services, ten seconds at most, or waits for the agent's lock, and changes nothing."""
    CHANGE = "change"
    """Takes the agent's lock, or inspects an upload."""
    PASSWORD = "password"  # noqa: S105 - the name of a pool
    """Takes 64 MiB for each."""
    EXPORT = "export"
    """Takes a second of computing time for each."""


@dataclass(frozen=True, slots=True)
class Route:
    """Handler of one method at one path."""

    method: str
    path: str
    access: Access
    handler: Handler
    summary: str
    """For the document: one sentence without a full stop."""
    returns: Any = None
    """Type of the JSON answer; None: no content, or `media_types`."""
    status: int = 200
    query: type[Input] | None = None
    body: type[Input] | None = None
    form: type[Input] | None = None
    """As `body`, but as multipart/form-data (RFC 7578) with files."""
    pool: Pool = Pool.READ
    media_types: tuple[str, ...] = ()
    """Of an answer that is no JSON."""
    problems: tuple[int, ...] = ()
    """Statuses beyond those that every route may answer with."""
    proof: Proof = Proof.NONE
    """Beside the role."""
    attempt: AttemptOf | None = None
    """With `Pool.PASSWORD`: who tries a password; None: the caller his own."""
    follow: Follower | None = None
    """Continues the answer of `handler` as a stream."""

    def attempt_of(self, request: ApiRequest) -> Attempt:
        """Return the try of a password that a request is."""
        if self.attempt is not None:
            return self.attempt(request)
        return Attempt(request.caller.name, request.caller.address, own=True)

    @property
    def changes(self) -> bool:
        """Whether it changes something that the audit record tells."""
        return self.access is Access.ADMIN and self.method != "GET"

    @property
    def has_content(self) -> bool:
        """Whether a request has content."""
        return self.body is not None or self.form is not None

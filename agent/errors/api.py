"""What the local API answers of its own: who may connect, and what a request must look like. Nothing has changed then."""

from __future__ import annotations

from collections.abc import Iterable

from agent.errors.name import quoted
from agent.errors.problem import AgentError

DOCUMENT = "What it takes and gives: GET /v1/openapi.json"


class ApiError(AgentError):
    """A request to the local API is not answered as it was asked."""

    code = "api"


class PeerRefused(ApiError):
    """A process of a user who may not connect (the peer's uid, unix(7) SO_PEERCRED)."""

    code = "api.peer_refused"

    def __init__(self, uid: int) -> None:
        super().__init__(
            f"Processes of the user with the number {uid} may not use the agent's API.",
            fix="Ask as root, or as the user of the web interface: [modules.webui] run_as.",
        )


class LoginNeeded(ApiError):
    """Neither a session nor a token was shown."""

    code = "api.login_needed"

    def __init__(self) -> None:
        super().__init__(
            "Neither a session nor a token was shown.",
            fix='Log in with POST /v1/session, or make a token; then send the header "Authorization: Bearer TEXT".',
        )


class NoOwnPassword(ApiError):
    """A token, or root on the appliance itself, has no password to change."""

    code = "api.no_own_password"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{quoted(name)} has no password of its own.",
            fix="Log in as the user whose password is to change, or on the appliance: chainwright webui password USER",
        )


class NothingHere(ApiError):
    """There is no such address."""

    code = "api.nothing_here"

    def __init__(self) -> None:
        super().__init__("There is nothing at this address.", fix=DOCUMENT)


class MethodUnknown(ApiError):
    """The address is there, but not for this method."""

    code = "api.method_unknown"

    def __init__(self, method: str, known: Iterable[str]) -> None:
        self.known = tuple(sorted(known))
        super().__init__(f"{method} can't be done here.", fix=f"Known are: {', '.join(self.known)}.")


class RequestMalformed(ApiError):
    """The request is no HTTP, or what it holds is not as documented. `reason`: without a full stop."""

    code = "api.malformed"

    def __init__(self, reason: str, where: str = "") -> None:
        super().__init__(f"The request is not as it must be: {reason}.", where=where, fix=DOCUMENT)


class RequestTooLarge(ApiError):
    """More octets than a request may have."""

    code = "api.too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The request has more than {limit} octets.", fix="Send less; a chain has a few thousand.")


class RequestTooSlow(ApiError):
    """The whole request did not come in time."""

    code = "api.too_slow"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The request did not come within {seconds:.0f} seconds.", fix="Send it again.")


class Busy(ApiError):
    """So many ask for something costly that one more would have to wait for long."""

    code = "api.busy"

    def __init__(self) -> None:
        super().__init__("Too many ask for this at the same time.", fix="Try again in a few seconds.")


class NotTyped(ApiError):
    """Something dangerous is confirmed by a word, and it was not typed."""

    code = "api.not_typed"

    def __init__(self, word: str) -> None:
        super().__init__("This needs confirmation; nothing was changed.", fix=f"Send {quoted(word)} as typed.")


class NotConfirmed(ApiError):
    """Something that can't be undone was not confirmed."""

    code = "api.not_confirmed"

    def __init__(self, effects: Iterable[str] = ()) -> None:
        self.effects = tuple(effects)
        """What would follow, by name."""
        super().__init__("This can't be undone; nothing was changed.", fix="Send confirmed as true.")


class JobUnknown(ApiError):
    """There is no job with this id, or it was forgotten."""

    code = "api.job_unknown"

    def __init__(self, job: str) -> None:
        super().__init__(f"There is no job {quoted(job)}, or it was long ago.", fix="What happened: GET /v1/events")


class JobLost(ApiError):
    """The process of a job ended without saying how."""

    code = "api.job_lost"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The job did not come to its end: {reason}.",
            effect="What is served is not touched.",
            fix="The agent goes on with what is due; or at once: chainwright apply",
        )


class ApiFailed(ApiError):
    """A mistake of the program. What it was stands in the agent's log, and not here: it might name anything."""

    code = "api.failed"

    def __init__(self) -> None:
        super().__init__(
            "The agent made a mistake when it answered.",
            effect="What is served is not touched.",
            fix="Its log says which: journalctl -u chainwright. Please report it.",
        )

"""What goes wrong when a CA is asked: it refuses, or there is no answer that makes sense."""

from __future__ import annotations

from enum import StrEnum

from agent.sources.acme.messages import ProblemDocument


class Trouble(StrEnum):
    """Why there is no answer; each has another cure."""

    NETWORK = "network"
    """No connection, or it broke off."""
    UNTRUSTED = "untrusted"
    """Its TLS certificate does not verify."""
    TRUST_FILE = "trust_file"
    """The file with the roots that it's to be trusted by can't be used."""
    BUSY = "busy"
    """It asks everyone to wait."""
    BROKEN = "broken"
    """It fails, or says something that is not ACME."""
    NO_DIRECTORY = "no_directory"
    """What is at the URL of the directory is none."""


class CaProblem(Exception):
    """The CA answered with a problem document (RFC 8555 section 6.7)."""

    def __init__(
        self, problem: ProblemDocument, *, url: str, retry_after: float | None = None, resource: str = ""
    ) -> None:
        self.problem = problem
        self.url = url
        """What was asked; for a failed validation the order's or authorization's URL."""
        self.retry_after = retry_after
        """Seconds from now, of the header or of the date in the detail."""
        self.resource = resource
        """The directory's name of what was asked: ``newOrder``; empty: none of the directory's."""
        self.account = ""
        """URL of the account that the request was signed for; empty: for none."""
        super().__init__(f"{problem.type}: {problem.detail} ({url})")


class CaUnreachable(Exception):
    """No connection, a time-out, a TLS failure, a 5xx that is no problem document, an answer that can't be read."""

    def __init__(
        self,
        cause: str,
        *,
        url: str,
        trouble: Trouble = Trouble.BROKEN,
        status: int | None = None,
        retry_after: float | None = None,
        detail: str = "",
        trust: str = "",
        sent: bool = True,
        slow: bool = False,
    ) -> None:
        self.cause = cause
        """One clause in lower case."""
        self.url = url
        self.trouble = trouble
        self.status = status
        """HTTP status; None: there was no answer."""
        self.retry_after = retry_after
        """Seconds from now that the CA asks to wait."""
        self.detail = detail
        """Text of the library."""
        self.trust = trust
        """File with the roots that the CA is trusted by; empty: the system's."""
        self.sent = sent
        """Whether the CA may have got what was asked, and done it."""
        self.slow = slow
        """Whether its answer was waited for as long as is waited for one."""
        super().__init__(f"{cause} ({url})")

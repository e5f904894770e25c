"""HTTP-01 (RFC 8555 section 8.3): the CA reads a file from port 80."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from agent.errors.http01 import Http01Error
from agent.sources.acme.at_once import at_once
from agent.sources.acme.challenges.challenge_type import ChallengeType
from agent.sources.acme.challenges.method import Answer, Method, Outlook
from agent.system.names import is_wildcard

if TYPE_CHECKING:
    from agent.contract.source import SourceContext
    from agent.sources.acme.ca_context import CaContext
    from agent.sources.acme.messages import Account
    from agent.sources.acme.source import AcmeSource


class Http01Method(Method):
    """The web server answers, or the agent itself: see `agent.sources.acme.http01`."""

    type: ClassVar[ChallengeType] = ChallengeType.HTTP_01

    def __init__(self, source: AcmeSource, ca: CaContext, context: SourceContext, account: Account | None) -> None:
        super().__init__(source, ca, context, account)
        self._answers = ca.answers  # those of another account key may take their place meanwhile
        self._serving = ExitStack()
        self._is_serving = False
        self._presented: list[tuple[str, str]] = []

    def why_not(self, name: str) -> str:
        """No wildcards (RFC 8555 section 8.3)."""
        return "a web server proves no wildcard" if is_wildcard(name) else ""

    def prepare(self, names: Collection[str], *, retry_at: datetime) -> Outlook:
        """Ask this machine as the CA will."""
        self._serve()
        try:
            return Outlook(warnings=self._answers.prepare(names, retry_at=retry_at))
        except Http01Error as error:
            return Outlook(failed=dict.fromkeys(error.failed, error))

    def present(self, answers: Sequence[Answer], *, retry_at: datetime) -> None:
        """Put down the files that a web server needs. Raises `Http01Error`."""
        self._serve()
        self._presented += [(each.name, each.token) for each in answers]
        at_once(lambda each: self._answers.present(each.name, each.token, retry_at=retry_at), answers)

    def clean_up(self) -> None:
        """Remove the files, and stop listening where no other order needs it."""
        for name, token in self._presented:
            self._answers.clean_up(name, token)
        self._presented.clear()
        self._serving.close()
        self._is_serving = False

    def _serve(self) -> None:
        """Keep the agent's own listener, if it is needed, until `clean_up`."""
        if not self._is_serving:
            self._serving.enter_context(self._answers.serving())
            self._is_serving = True

"""TLS-ALPN-01 (RFC 8737): the CA is shown a certificate at port 443."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from agent.errors.http01 import WebrootUnwritable
from agent.sources.acme.challenges.challenge_type import ChallengeType
from agent.sources.acme.challenges.method import Answer, Method, Outlook
from agent.system.names import is_wildcard

if TYPE_CHECKING:
    from agent.contract.source import SourceContext
    from agent.sources.acme.ca_context import CaContext
    from agent.sources.acme.messages import Account
    from agent.sources.acme.source import AcmeSource


class TlsAlpn01Method(Method):
    """The agent answers, behind a web server or itself: see `agent.sources.acme.tls_alpn01`."""

    type: ClassVar[ChallengeType] = ChallengeType.TLS_ALPN_01

    def __init__(self, source: AcmeSource, ca: CaContext, context: SourceContext, account: Account | None) -> None:
        super().__init__(source, ca, context, account)
        self._serving = ExitStack()
        self._is_serving = False
        self._presented: list[str] = []

    def why_not(self, name: str) -> str:
        """No wildcards (RFC 8737 section 3)."""
        return "a certificate at port 443 proves no wildcard" if is_wildcard(name) else ""

    def prepare(self, names: Collection[str], *, retry_at: datetime) -> Outlook:
        """Ask this machine as the CA will. Where nobody has set it up, that is no error: most machines do without."""
        self._serve()
        return Outlook(absent=self.ca.alpn.prepare(names))

    def present(self, answers: Sequence[Answer], *, retry_at: datetime) -> None:
        """Have a certificate presented for each name. Raises `WebrootUnwritable`."""
        self._serve()
        for each in answers:
            try:
                self._presented.append(each.domain)
                self.ca.alpn.present(each.domain, each.key_authorization)
            except OSError as error:
                raise WebrootUnwritable([each.name], self.ca.alpn.directory, error, retry_at) from error

    def clean_up(self) -> None:
        """Forget the certificates, and stop listening where no other order needs it."""
        for name in self._presented:
            self.ca.alpn.clean_up(name)
        self._presented.clear()
        self._serving.close()
        self._is_serving = False

    def _serve(self) -> None:
        if not self._is_serving:
            self._serving.enter_context(self.ca.alpn.serving())
            self._is_serving = True

"""All ways to prove a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.sources.acme.challenges.dns_01 import Dns01Method
from agent.sources.acme.challenges.dns_persist_01 import DnsPersist01Method
from agent.sources.acme.challenges.http_01 import Http01Method
from agent.sources.acme.challenges.tls_alpn_01 import TlsAlpn01Method

if TYPE_CHECKING:
    from agent.contract.source import SourceContext
    from agent.sources.acme.ca_context import CaContext
    from agent.sources.acme.challenges.method import Method
    from agent.sources.acme.messages import Account
    from agent.sources.acme.source import AcmeSource

METHODS: tuple[type[Method], ...] = (Http01Method, DnsPersist01Method, Dns01Method, TlsAlpn01Method)


def methods_of(source: AcmeSource, ca: CaContext, context: SourceContext, account: Account | None) -> list[Method]:
    """Return those that the settings allow, in the order in which they are tried."""
    known = {each.type: each for each in METHODS}
    return [known[each](source, ca, context, account) for each in dict.fromkeys(source.challenges) if each in known]

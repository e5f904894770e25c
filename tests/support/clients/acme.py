"""What the tests of the protocol share: a client that waits in no time, and a signing request."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from agent.sources.acme.account import Accounts, AccountWish
from agent.sources.acme.client import AcmeClient
from agent.sources.acme.failures import CaUnreachable
from agent.sources.acme.messages import Order
from support.cas.certificates import p256_key
from support.fakes.source_context import FakeSourceContext, utc_now


class Waits:
    """Notes how long a context was to wait, and does not."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


class Monotonic:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@contextmanager
def asking(ca: Any, context: FakeSourceContext, *, contact: Iterable[str] = (), **options: Any):
    """Give a client of `ca` that has an account there."""
    options.setdefault("trust", getattr(ca, "trust_file", None))
    client = AcmeClient(ca.directory_url, context.key, **{"now": utc_now} | options)
    try:
        Accounts(context).ensure(client, AccountWish(contact=tuple(contact), agree_terms=True))
        yield client
    finally:
        client.close()


def csr_for(names: Iterable[str], key: Any = None) -> x509.CertificateSigningRequest:
    """Return a signing request."""
    alternative = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.add_extension(alternative, critical=True).sign(key or p256_key(), hashes.SHA256())


def proved(client: AcmeClient, context: FakeSourceContext, order: Order) -> Order:
    """Answer every challenge; return the order as it is then."""
    for url in order.authorizations:
        found = client.authorization(context, url)
        client.answer(context, next(each for each in found.challenges if each.type == "http-01"))
    return client.order(context, order.url)


def failing(client: AcmeClient, context: FakeSourceContext) -> CaUnreachable:
    """Return why nothing can be ordered."""
    with pytest.raises(CaUnreachable) as failed:
        client.new_order(context, ["www.example.com"])
    return failed.value


def leaf_of(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificates(pem.encode())[0]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)

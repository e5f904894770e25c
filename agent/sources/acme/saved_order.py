"""What an order needs to go on after a crash: written before the CA is asked, sealed like a key."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import load_der_x509_csr

from agent.model.need import Request
from agent.model.pause import is_recent
from agent.pki.key import load_key
from agent.pki.signing_request import make_request

if TYPE_CHECKING:
    from cryptography.x509 import CertificateSigningRequest

    from agent.pki.private_key import PrivateKey
    from agent.sources.acme.messages import Order

VERSION = 1
LONGEST, LONGEST_UNBOUNDED = timedelta(days=30), timedelta(days=7)
"""For which an order is gone on with: whatever its CA says, and where it doesn't say when the order ends."""


@dataclass(frozen=True, slots=True, repr=False)
class SavedOrder:
    """An order, as it is or will be at the CA."""

    directory: str
    """URL of the CA's directory."""
    account: str
    """URL of the account that it belongs to."""
    key: str
    """PEM, of the certificate that is asked for."""
    csr: str
    """DER, in base64."""
    url: str = ""
    """Empty: the CA was not asked yet, or its answer was lost."""
    refused: bool = False
    """What the CA delivered for it could not be used."""
    placed_at: str = ""
    """When the CA got it (ISO 8601)."""

    @classmethod
    def new(cls, request: Request, key: PrivateKey, directory: str, account: str) -> Self:
        """Make a signing request for a key."""
        csr = make_request(key, sorted(request.names)).public_bytes(Encoding.DER)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return cls(directory, account, pem.decode("ascii"), base64.b64encode(csr).decode("ascii"))

    @classmethod
    def read(cls, state: Mapping[str, Any], directory: str, account: str) -> Self | None:
        """Return the order that was saved, if it is one of this account."""
        if state.get("version") != VERSION:
            return None
        saved = cls(**{name: value for name, value in state.items() if name != "version"})
        return saved if (saved.directory, saved.account) == (directory, account) else None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {"version": VERSION, **asdict(self)}

    def placed(self, url: str, now: datetime) -> Self:
        """Return it with the URL that the CA gave it."""
        return replace(self, url=url, placed_at=now.isoformat())

    def is_over(self, order: Order, now: datetime) -> bool:
        """Whether it brings nothing more: its time is over, or a CA that sets none has had it for a week, another for a month."""
        if order.status == "valid":
            return False
        if order.expires is not None and order.expires <= now:
            return True
        longest = LONGEST_UNBOUNDED if order.expires is None else LONGEST
        return bool(self.placed_at) and not is_recent(datetime.fromisoformat(self.placed_at), now, longest)

    @property
    def private_key(self) -> PrivateKey:
        """The key itself."""
        return load_key(self.key.encode("ascii"))

    @property
    def signing_request(self) -> CertificateSigningRequest:
        """The signing request itself."""
        return load_der_x509_csr(base64.b64decode(self.csr))

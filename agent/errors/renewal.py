"""A CA does not say when a chain is to be renewed."""

from __future__ import annotations

from datetime import datetime

from agent.errors.acme import WHERE
from agent.errors.source import SourceError


class RenewalInfoUnknown(SourceError):
    """The CA could not be asked for its suggestion (RFC 9773), or it makes no sense. `reason` is a clause in lower case."""

    code = "source.renewal_info"
    cause = "The CA does not say when to renew the chain: {reason}."
    where = WHERE
    fix = "There is nothing to do: it is renewed in good time all the same, and the CA is asked again."
    reason: str
    retry_at: datetime
    detail: str = ""

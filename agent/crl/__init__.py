"""Whether a CA has revoked a chain: lists of revoked certificates (CRLs, RFC 5280 sections 5 and 6.3).

Importing this is cheap: cryptography is loaded when the first list is read.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from agent.crl.cache import RevocationLists
from agent.crl.revocation import RevocationStatus

if TYPE_CHECKING:
    from agent.pki.chain import Chain

__all__ = ["Revocation", "RevocationLists", "check_revocation"]


def check_revocation(chain: Chain, now: datetime, lists: RevocationLists | None = None) -> RevocationStatus:
    """Look whether leaf and intermediates are on the lists that they name, as far as the issuer's certificate is known.

    `lists` keeps what was fetched: give the same one to all calls, so that a list is fetched once for all chains of a CA. May
    take a minute for each list that has to be fetched. Raises `agent.errors.crl.CrlError`, with the instant at which to look
    again, where no certificate is known to be revoked and one can't be judged.
    """
    from agent.crl.checking import judge

    return judge(chain, now, lists or RevocationLists())

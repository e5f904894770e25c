"""Certificate revocation lists (CRLs, RFC 5280 sections 5 and 6.3): whether a CA has revoked a chain.

Cheap to import: cryptography is loaded when the first list is read.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from agent.crl.cache import RevocationLists
from agent.crl.look_up import LookUp
from agent.crl.revocation import RevocationStatus

if TYPE_CHECKING:
    from agent.pki.chain import Chain

__all__ = ["RevocationLists", "RevocationStatus", "check_revocation"]


def check_revocation(
    chain: Chain,
    now: datetime,
    lists: RevocationLists | None = None,
    *,
    of_upload: bool = False,
    private: bool = False,
) -> RevocationStatus:
    """Check leaf and intermediates against the lists that they name, as far as the issuer's certificate is known.

    `lists` keeps what was fetched: pass the same object to all calls, so that a list is fetched once for all chains of a CA.
    At most five addresses are asked, and all of it takes a minute at most. `of_upload`: a person has chosen the chain, and so the
    addresses; then what servers answer is not told, and those of private networks are asked only where `private` says so. Raises
    `agent.errors.crl.CrlError`, with the instant of the next check, where no certificate is known to be revoked and one can't be
    checked.
    """
    from agent.crl.checking import revocation_of

    lists = lists or RevocationLists()
    return revocation_of(chain, now, lists, LookUp(lists.seconds, of_upload=of_upload, private=private))

"""Chains as a module is told of them, without the chains."""

import hashlib
from datetime import UTC, datetime

from agent.contract.context import ChainFacts
from agent.pki.key import KeyType


def facts(label: str) -> ChainFacts:
    chain_id = hashlib.sha256(label.encode()).hexdigest()
    until = datetime(2027, 1, 1, tzinfo=UTC)
    return ChainFacts(
        id=chain_id,
        names=(f"{label}.example.test",),
        source="local",
        issuer="Toy",
        key_type=KeyType.ECDSA_P256,
        not_after=until,
        intermediates=0,
    )

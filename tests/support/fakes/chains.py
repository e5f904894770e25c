"""Chains as a module is told of them, without the chains."""

import hashlib
from datetime import UTC, datetime

from agent.contract.context import ChainFacts
from agent.pki.key import KeyType


def facts(label: str) -> ChainFacts:
    chain_id = hashlib.sha256(label.encode()).hexdigest()
    until = datetime(2027, 1, 1, tzinfo=UTC)
    return ChainFacts(chain_id, (f"{label}.example.test",), "local", "Toy", KeyType.ECDSA_P256, until, 0)

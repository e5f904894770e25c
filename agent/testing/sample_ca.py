"""A CA of nobody's, whose chains have an intermediate: what an administrator uploads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from agent.pki.authority import Root
from agent.pki.chain import Chain, KeyType, Purpose

LIFETIME = timedelta(days=3650)


@dataclass(frozen=True)
class SampleCa:
    """A root, and a subordinate CA that signs leaves."""

    now: datetime

    @cached_property
    def _authority(self) -> Root:
        from agent.pki.profile import authority_certificate

        before = self.now - timedelta(days=30)
        root = Root.create("Sample Root CA", "", before, before)
        lower = Root.create("Sample Issuing CA", "", before, before)
        certificate = authority_certificate(root.key, root.certificate, lower.certificate, before, before + LIFETIME)
        return Root(lower.key, certificate, (root.certificate,))

    def chain(
        self,
        names: Sequence[str],
        key_type: KeyType = KeyType.ECDSA_P256,
        purpose: Purpose = Purpose.SERVER,
        lifetime: timedelta = timedelta(days=365),
    ) -> Chain:
        """Return a chain of leaf and intermediate, with its key and its root."""
        return self._authority.issue(names, key_type, purpose, self.now, lifetime)

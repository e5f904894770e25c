"""The narrow view of the appliance that a plugin's commands get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from agent.chain import PeerCertificate


class Appliance(Protocol):
    """List, apply, sign: what a plugin's command may ask of the core."""

    def status(self) -> Mapping[str, Any]:
        """Return what ``chainwright status --json`` prints."""

    def apply(self) -> int:
        """Run ``chainwright apply`` and return its exit code."""

    def sign(self, csr: bytes, names: Sequence[str], *, module: str, label: str) -> PeerCertificate:
        """Have the root sign a certificate for someone's PEM request (RFC 2986) and keep it under `module` and `label`."""

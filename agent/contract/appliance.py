"""Interface to the appliance for a plugin's commands."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from agent.model.peer import Peer
from agent.model.tlsa import TlsaRow
from agent.pki.chain import PeerCertificate, Purpose
from agent.pki.encoding import Part
from agent.pki.revocation import RevocationReason


class Appliance(Protocol):
    """Operations for a plugin's command: list, apply, sign, revoke.

    `module` is the name of the instance on whose behalf a command acts: what another one has signed is not there for it.
    """

    def now(self) -> datetime:
        """Return the present instant, UTC, as far as the machine's clock is believed: ask nothing else for it."""

    def status(self) -> Mapping[str, Any]:
        """Return what ``chainwright status --json`` prints."""

    def apply(self) -> int:
        """Run ``chainwright apply`` and return its exit code."""

    def answer(self, data: Mapping[str, Any], lines: Iterable[str]) -> None:
        """Print what a command has found out: `data` where ``--json`` is asked for, with the schema number, else `lines`."""

    def tlsa(self, *, module: str) -> list[TlsaRow]:
        """Return the TLSA records (RFC 6698) of a module's keys: those that are served, and the next ones."""

    def sign(
        self,
        csr: bytes,
        names: Sequence[str],
        *,
        module: str,
        label: str,
        purposes: Collection[Purpose] = (Purpose.SERVER,),
    ) -> PeerCertificate:
        """Have the root sign a certificate for someone's PEM request (RFC 2986) and keep it under `module` and `label`.

        It replaces the one with the same label, which is believed until it ends unless it is revoked. The root signs it
        again before it ends, and when the root changes.
        """

    def peers(self, *, module: str) -> list[Peer]:
        """Return every peer certificate of a module: by label, the newest first."""

    def export(self, serial: str, *, module: str, parts: Sequence[Part] = (Part.FULLCHAIN,)) -> bytes:
        """Return parts of a peer certificate's path as PEM: its leaf, what leads to the root, the root. There is no key."""

    def revoke(
        self, serial: str, *, module: str, reason: RevocationReason = RevocationReason.UNSPECIFIED
    ) -> list[Peer]:
        """Revoke a peer certificate, and those that it has replaced; return them. The next `apply` lists them."""

"""Sealed copies of roots' keys as files, each with its certificates beside it, for when the database is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors.base import AgentError
from agent.store.sealing import Sealer
from agent.system.trust import read_regular
from agent.system.writing import replace

if TYPE_CHECKING:
    from agent.pki.authority import Root

BESIDE, UPLOADED = "Beside the main root, for keys of its own kind", "Uploaded"
"""Lines before the certificates, which RFC 7468 section 2 allows: what is not to be seen in a root itself."""


@dataclass(frozen=True, slots=True)
class FoundRoot:
    """A root that a sealed copy tells of."""

    root: Root
    beside: bool
    uploaded: bool


class RootFiles:
    """The files ``root-*.sealed`` and ``root-*.pem``."""

    def __init__(self, sealer: Sealer, private: Path) -> None:
        self._sealer = sealer
        self._private = private

    def write(self, root: Root, *, beside: bool, uploaded: bool) -> None:
        """Write those of a root."""
        sealed = self._sealer.seal(root.key_pem(), context(root.sha256))
        lines = [line for line, holds in ((BESIDE, beside), (UPLOADED, uploaded)) if holds]
        told = "".join(f"{line}\n" for line in lines).encode()
        for path, content in zip(self._paths(root.sha256), (sealed, told + root.pem()), strict=True):
            replace(path, content, mode=0o600)

    def are_there(self, sha256: str) -> bool:
        """Whether both files of a root are."""
        return all(path.exists() for path in self._paths(sha256))

    def all(self) -> Iterator[FoundRoot]:
        """Yield the roots whose key can be opened."""
        from agent.pki.authority import Root
        from agent.pki.certificate import load_certificates, sha256_of

        for path in sorted(self._private.glob("root-*.sealed")):
            with suppress(AgentError, OSError, ValueError, TypeError):
                pem = read_regular(path.with_suffix(".pem"))
                sha256 = sha256_of(load_certificates(pem)[0])
                root = Root.from_pem(pem, self._sealer.open(read_regular(path), context(sha256)))
                told = pem.partition(b"-----BEGIN")[0].decode(errors="replace").splitlines()
                yield FoundRoot(root, BESIDE in told, UPLOADED in told)

    def _paths(self, sha256: str) -> tuple[Path, Path]:
        """Return where the sealed copy of a key and the certificates are."""
        return self._private / f"root-{sha256[:16]}.sealed", self._private / f"root-{sha256[:16]}.pem"


def context(sha256: str) -> str:
    """Return what the key of a root is sealed for."""
    return f"key of root {sha256}"

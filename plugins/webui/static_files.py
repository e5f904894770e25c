"""Style and scripts, which the browser gets once: a hash of their content is in the address."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from starlette.responses import Response

DIRECTORY = Path(__file__).with_name("static")
KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Static:
    """File with its content."""

    content: bytes
    kind: str


class Statics:
    """Files by an address that changes with their content; no other path is looked up on the disk."""

    @cached_property
    def addresses(self) -> Mapping[str, str]:
        """Return the address of each file, by its name."""
        return {name: f"/static/{_hashed(name, static)}" for name, static in self._files.items()}

    @cached_property
    def _files(self) -> Mapping[str, Static]:
        paths = sorted(path for path in DIRECTORY.iterdir() if path.suffix in KINDS)
        return {path.name: Static(path.read_bytes(), KINDS[path.suffix]) for path in paths}

    @cached_property
    def _by_address(self) -> Mapping[str, Static]:
        return {_hashed(name, static): static for name, static in self._files.items()}

    def answer(self, name: str) -> Response | None:
        """Return the file with this hashed name, None if there is none."""
        static = self._by_address.get(name)
        if static is None:
            return None
        return Response(static.content, headers={"content-type": static.kind, "cache-control": FOREVER})


def _hashed(name: str, static: Static) -> str:
    return f"{hashlib.sha256(static.content).hexdigest()[:16]}.{name}"

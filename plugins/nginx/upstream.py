"""Servers that nginx passes requests to: their address in the settings, and the ``upstream { }`` block that comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import AfterValidator

from chainwright import Context, Url


def _with_whole_path(url: Url) -> Url:
    """Refuse ``http://h/app``: nginx would make ``http://h/apppage`` of it."""
    if url.query or (url.path and not url.path.endswith("/")):
        raise ValueError('must end in "/" where it has a path, and have no query, for example "http://10.0.0.5/app/"')
    return url


Backend = Annotated[Url, AfterValidator(_with_whole_path)]
"""``"http://10.0.0.5:8080"``; a path takes the place of ``/``."""


@dataclass(frozen=True, slots=True)
class UpstreamBlock:
    """A backend by its addresses: nginx looks up no name, so that none keeps it from starting.

    A template makes it with ``{% include "upstream.conf.j2" %}``, and passes to `url`, unless there are no `servers`.
    """

    name: str
    """Of the block. No host has it."""
    backend: Backend
    addresses: tuple[str, ...]

    @classmethod
    def of(cls, context: Context, slot: str, backend: Backend) -> Self:
        """Return the block of a slot with the addresses that are known of its backend."""
        return cls(f"chainwright-{context.module}-{slot}", backend, context.addresses(backend.host))

    @property
    def servers(self) -> list[str]:
        """What is behind ``server``; none: no address is known."""
        places = [f"{_bracketed(address)}:{self.backend.port}" for address in self.addresses]
        if self.backend.host != "localhost":
            return places
        # Most listen on one of the two. Both are tried again soon: a program that was restarted is there in a moment.
        first, second = (f"{place} fail_timeout=1s" for place in places)
        return [first, f"{second} backup"]

    @property
    def url(self) -> str:
        """What to pass to."""
        return f"{self.backend.scheme}://{self.name}{self.backend.path}"

    @property
    def tls_name(self) -> str:
        """Name for the handshake with the backend; of an address nginx sends none."""
        return _bracketed(self.backend.host)

    @property
    def redirect(self) -> str:
        """Beginning of the backend's own addresses in a ``Location`` header, which clients can't reach."""
        return str(self.backend) if self.backend.path else f"{self.backend}/"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host

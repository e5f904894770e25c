"""A challenge (HTTP-01, RFC 8555 section 8.3) would not be answered on this machine: seen before the CA looks."""

from __future__ import annotations

import errno
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from agent.errors.acme import AGAIN, WHERE
from agent.errors.name import quoted
from agent.errors.source import SourceError

SHOWN = 3
"""Names that a sentence holds; all of them stand in `failed`."""
PATH = "/.well-known/acme-challenge/"
NGINX = ("nginx", "openresty", "angie", "freenginx", "tengine")
"""What calls itself so reads nginx's configuration."""


class Http01Error(SourceError):
    """The CA was not told to look, because its look at this machine would be in vain.

    Names that would be answered are in none of its sets: only a CA says whether they pass.
    """

    code = "source.challenge_unanswered"
    counts: ClassVar[bool] = False


class AnsweredByAnother(Http01Error):
    """Somebody has the port, and gives neither our answer nor the file that we put down for it.

    `seen`: name -> what was seen, as a clause; `server`: what the first of them calls itself; `redirected`: it redirects.
    """

    code = "source.answered_by_another"

    def __init__(
        self,
        seen: Mapping[str, str],
        port: int,
        webroot: Path,
        retry_at: datetime,
        *,
        server: str = "",
        redirected: bool = False,
    ) -> None:
        clause = next(iter(seen.values()))
        super().__init__(
            f"Port {port} of this machine does not answer a CA's challenge for {_listed(seen)}: {clause}.",
            where=WHERE,
            fix=f"{_cure(server, webroot, redirected=redirected)}, {_or_leave(port)}, {AGAIN}",
            retry_at=retry_at,
            detail="\n".join(f"{name}: {each}" for name, each in seen.items()),
        )
        self.failed = frozenset(seen)


class PortForbidden(Http01Error):
    """Nobody listens at the port, and the agent may not either."""

    code = "source.port_forbidden"

    def __init__(self, names: Collection[str], port: int, retry_at: datetime) -> None:
        super().__init__(
            f"Nobody listens at port {port} of this machine, and the agent has no right to do it itself.",
            where=WHERE,
            fix=f"Run it as root or with CAP_NET_BIND_SERVICE, or let the reverse proxy listen there, {AGAIN}",
            retry_at=retry_at,
        )
        self.failed = frozenset(names)


class PortUnusable(Http01Error):
    """Nobody answers at the port, and yet it can't be opened."""

    code = "source.port_unusable"

    def __init__(self, names: Collection[str], port: int, error: OSError, retry_at: datetime) -> None:
        held = error.errno == errno.EADDRINUSE
        reason = "somebody holds it" if held else (error.strerror or str(error)).lower()
        cure = (
            f"Look who it is (ss -ltnp sport = :{port}), and end that or let it answer"
            if held
            else "Mend that, or let the reverse proxy listen there"
        )
        super().__init__(
            f"Nobody answers at port {port} of this machine, but it can't be opened: {reason}.",
            where=WHERE,
            fix=f"{cure}, {AGAIN}",
            retry_at=retry_at,
            detail=str(error),
        )
        self.failed = frozenset(names)


class WebrootUnwritable(Http01Error):
    """The web server at the port may serve our files, but none can be written."""

    code = "source.webroot_unwritable"

    def __init__(self, names: Collection[str], webroot: Path, error: OSError, retry_at: datetime) -> None:
        reason = (error.strerror or str(error)).lower()
        super().__init__(
            f"The answer to a CA's challenge for {_listed(names)} can't be written into {webroot}: {reason}.",
            where=WHERE,
            fix=f"Make room, or let the agent write there, {AGAIN}",
            retry_at=retry_at,
            detail=str(error),
        )
        self.failed = frozenset(names)


class TokenMalformed(Http01Error):
    """What the CA wants answered is no token (RFC 8555 section 8.3: base64url)."""

    code = "source.token_malformed"

    def __init__(self, name: str, token: str, retry_at: datetime) -> None:
        super().__init__(
            f"The CA's challenge for {name} has a token that no CA may give: {quoted(token)}.",
            where=WHERE,
            fix="Report it to the CA's operator, or set directory in [acme] to another CA.",
            retry_at=retry_at,
        )
        self.failed = frozenset({name})


def _listed(names: Collection[str]) -> str:
    shown = ", ".join([*names][:SHOWN])
    return f"{shown} and {len(names) - SHOWN} more" if len(names) > SHOWN else shown


def _or_leave(port: int) -> str:
    return f"or leave port {port} to the agent or its reverse proxy"


def _cure(server: str, webroot: Path, *, redirected: bool) -> str:
    """Return what makes a web server serve the webroot, and what may stand before that."""
    kind = server.lower()
    if kind.startswith(NGINX):
        line = f'location ^~ {PATH} {{ alias "{webroot}/"; }}'
        moved = " (and its redirect into location / { }, since a server block's own return comes first)"
        return f"Write {line} into its server block{moved if redirected else ''}"
    if kind.startswith("apache"):
        line = f'Alias {PATH} "{webroot}/"'
        kept = r" (and keep its redirect away: RedirectMatch ^/(?!\.well-known/acme-challenge/))"
        return f"Write {line} into its configuration, with Require all granted for that directory{kept if redirected else ''}"
    return f"Let it serve the files of {webroot} at {PATH}{', without a redirect' if redirected else ''}"

"""A challenge (HTTP-01, RFC 8555 section 8.3) would not be answered on this machine: seen before the CA looks."""

from __future__ import annotations

import errno
from collections.abc import Collection, Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Protocol

from agent.errors.acme import AGAIN, WHERE
from agent.errors.source import SourceError

PATH = "/.well-known/acme-challenge/"
NGINX = ("nginx", "openresty", "angie", "freenginx", "tengine")
"""What calls itself so reads nginx's configuration."""


class Http01Error(SourceError):
    """The CA was not told to look, because it would not find the answer on this machine.

    Names that would be answered are in none of its sets: only a CA says whether they pass.
    """

    code = "source.challenge_unanswered"
    counts = False
    where = WHERE
    names: Collection[str]

    @cached_property
    def failed(self) -> frozenset[str]:
        """Names that were looked at."""
        return frozenset(self.names)


class SeenByName(Protocol):
    """Error about names of which something else than the answer was seen."""

    names: Mapping[str, str]
    """Name -> what was seen, as a clause."""


def _clause(error: SeenByName) -> str:
    """Return what was seen of the first name."""
    return next(iter(error.names.values()))


def _all_seen(error: SeenByName) -> str:
    """Return what was seen of each name, a line each."""
    return "\n".join(f"{name}: {seen}" for name, seen in error.names.items())


class UnseenFromOutside(Http01Error):
    """The vantage point sees no answer, as a CA would not. `names`: name -> what it has seen, as a clause."""

    code = "source.unseen_from_outside"
    cause = "From outside, port {port} does not answer a CA's challenge for {names:few}: {clause}."
    fix = (
        "Look at what is between the Internet and this machine: addresses of the name, forwarding of the port, firewalls; "
        f"or correct vantage_point in [acme], {AGAIN}"
    )
    detail = "{all_seen}"
    names: Mapping[str, str]
    port: int
    retry_at: datetime
    clause = property(_clause)
    all_seen = property(_all_seen)


class AnsweredByAnother(Http01Error):
    """Somebody has the port, and gives neither our answer nor the file that we put down for it.

    `names`: name -> what was seen, as a clause; `server`: what the first of them calls itself; `redirected`: it redirects.
    """

    code = "source.answered_by_another"
    cause = "Port {port} of this machine does not answer a CA's challenge for {names:few}: {clause}."
    fix = f"{{cure}}, or leave port {{port}} to the agent or its reverse proxy, {AGAIN}"
    detail = "{all_seen}"
    names: Mapping[str, str]
    port: int
    webroot: Path
    retry_at: datetime
    server: str = ""
    redirected: bool = False
    clause = property(_clause)
    all_seen = property(_all_seen)

    @property
    def cure(self) -> str:
        """What makes a web server serve the webroot, and what may be in the way of that."""
        kind = self.server.lower()
        if kind.startswith(NGINX):
            line = f'location ^~ {PATH} {{ alias "{self.webroot}/"; }}'
            moved = " (and its redirect into location / { }, since a server block's own return comes first)"
            return f"Write {line} into its server block{moved if self.redirected else ''}"
        if kind.startswith("apache"):
            line = f'Alias {PATH} "{self.webroot}/"'
            kept = r" (and keep its redirect away: RedirectMatch ^/(?!\.well-known/acme-challenge/))"
            granted = "with Require all granted for that directory"
            return f"Write {line} into its configuration, {granted}{kept if self.redirected else ''}"
        direct = ", without a redirect" if self.redirected else ""
        return f"Let it serve the files of {self.webroot} at {PATH}{direct}"


class PortForbidden(Http01Error):
    """Nobody listens at the port, and the agent may not either."""

    code = "source.port_forbidden"
    cause = "Nobody listens at port {port} of this machine, and the agent has no right to do it itself."
    fix = f"Run it as root or with CAP_NET_BIND_SERVICE, or let the reverse proxy listen there, {AGAIN}"
    port: int
    retry_at: datetime


class PortUnusable(Http01Error):
    """Nobody answers at the port, and yet it can't be opened."""

    code = "source.port_unusable"
    cause = "Nobody answers at port {port} of this machine, but it can't be opened: {reason}."
    fix = f"{{cure}}, {AGAIN}"
    detail = "{error}"
    port: int
    error: OSError
    retry_at: datetime

    @property
    def reason(self) -> str:
        """Why the port can't be opened."""
        return "somebody holds it" if self.error.errno == errno.EADDRINUSE else _reason(self.error)

    @property
    def cure(self) -> str:
        """What to do about it."""
        if self.error.errno == errno.EADDRINUSE:
            return f"Look who it is (ss -ltnp sport = :{self.port}), and end that or let it answer"
        return "Mend that, or let the reverse proxy listen there"


class WebrootUnwritable(Http01Error):
    """The web server at the port may serve our files, but none can be written."""

    code = "source.webroot_unwritable"
    cause = "The answer to a CA's challenge for {names:few} can't be written into {webroot}: {reason}."
    fix = f"Make room, or let the agent write there, {AGAIN}"
    detail = "{error}"
    webroot: Path
    error: OSError
    retry_at: datetime

    @property
    def reason(self) -> str:
        """Why the answer can't be written."""
        return _reason(self.error)


class TokenMalformed(Http01Error):
    """What the CA wants answered is no token (RFC 8555 section 8.3: base64url)."""

    code = "source.token_malformed"
    cause = "The CA's challenge for {names:few} has a token that no CA may give: {token:quoted}."
    fix = "Report it to the CA's operator, or set directory in [acme] to another CA."
    token: str
    retry_at: datetime


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()

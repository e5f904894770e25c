"""A site of the reverse proxy as the operator writes it, and the servers that come of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt

from chainwright import Backend, KeyType, Name, concrete_name, covers, is_address, is_public, slot_of

LOCAL_ENDING = ".local"
FAILING_ENDING = ".failing"
LONGEST_SLOT = 128 - len(FAILING_ENDING) - len(".ed25519")
"""Leaves room for the endings of a site's other slots (128 characters are allowed)."""


class Site(BaseModel):
    """One ``[[modules.reverse_proxy.sites]]`` table."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    domains: tuple[Name, ...] = Field(
        min_length=1, max_length=100, description="names and addresses of the site; the first one names it"
    )
    upstream: Backend = Field(description="the server behind it, for example http://10.0.0.5:8080")
    name: str | None = Field(
        None,
        pattern=r"^[a-z0-9_][a-z0-9._-]*$",
        max_length=LONGEST_SLOT,
        description="slot of the site's chain; default: made from the first domain",
    )
    redirect: bool = Field(True, description="send HTTP clients to HTTPS; false: serve the site over HTTP as well")
    websocket: bool = Field(True, description="let clients switch to a WebSocket; nothing else is ever switched to")
    key_type: KeyType | None = Field(None, description="key type to ask for; default: the module's")
    second_key_type: KeyType | None = Field(
        None, description="key type of a second chain beside the first; default: the module's"
    )
    sources: tuple[str, ...] | None = Field(None, description="rungs that this site may use; default: the module's")
    pin: str | None = Field(None, description="id or name of the uploaded chain to prefer; default: the module's")
    max_body_mb: NonNegativeInt | None = Field(None, description="largest request body in MB; default: the module's")
    timeout: PositiveInt | None = Field(None, description="seconds without a byte; default: the module's")

    @property
    def slot(self) -> str:
        """What the site is called."""
        return self.name or slot_of(self.domains[0], LONGEST_SLOT)

    def servers(self, failing: Collection[str] = ()) -> Iterator[Server]:
        """Give the public names a server, and one of their own to those that no public CA certifies.

        Public names in `failing`, those that a CA could not validate lately, get one of their own as well as long as there
        are others, which a CA would refuse with them (RFC 8555 section 7.4).
        """
        public, local = self._kinds
        split = tuple(name for name in public if name in failing)
        whole = tuple(name for name in public if name not in split)
        if public:
            yield Server(self.slot, whole or split, self)
        if whole and split:
            yield Server(self.slot + FAILING_ENDING, split, self)
        if local:
            yield Server(self.slot + LOCAL_ENDING if public else self.slot, local, self)

    def every_server(self) -> Iterator[Server]:
        """Yield a server for each slot that the site may ever have, with any names failing."""
        public, _ = self._kinds
        return self.servers(public[1:])

    @cached_property
    def _kinds(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The names that a public CA certifies, and the others."""
        names = tuple(dict.fromkeys(self.domains))
        public = tuple(name for name in names if is_public(name) and not is_address(name))
        return public, tuple(name for name in names if name not in public)


@dataclass(frozen=True, slots=True)
class Server:
    """Names that are served with one chain, or with one of each key type."""

    slot: str
    names: tuple[str, ...]
    site: Site

    @property
    def has_address(self) -> bool:
        """Whether clients come here that send no name."""
        return any(is_address(name) for name in self.names)

    @property
    def server_names(self) -> list[str]:
        """The names as a client writes them into the Host header (RFC 3986 section 3.2.2: brackets around IPv6)."""
        return [f"[{name}]" if ":" in name else name for name in self.names]

    @property
    def exact_patterns(self) -> list[str]:
        """Names of whose handshakes a connection may be used for another name of this server, as regular expressions.

        A wildcard isn't among them: a name below it may be another site's. With one name there is no other one.
        """
        exact = [name for name in self.names if not name.startswith("*.") and ":" not in name]
        return [name.replace(".", "[.]") for name in exact] if len(self.names) > 1 else []

    def probe_names(self, certified: Collection[str]) -> Iterator[str]:
        """Give what to send as SNI to see this chain: one name, and nothing where an address is served.

        `certified` are the names of the chain: in a generation from before the site was split, or since, this slot may
        have other names of the site.
        """
        named = _among(self.names, certified) or _among(self.site.domains, certified)
        exact = [name for name in named if not name.startswith("*.")]
        if named:
            yield concrete_name((exact or named)[0])
        if self.has_address:
            yield ""

    def settings_for_need(self) -> dict[str, object]:
        """Return what the site says differently from its module."""
        own = {"sources": self.site.sources, "pin": self.site.pin}
        return {key: value for key, value in own.items() if value is not None}


def _among(names: Iterable[str], certified: Collection[str]) -> list[str]:
    """Leave out addresses, and names that a chain with the names `certified` is not good for."""
    good = (name for name in names if name in certified or any(covers(each, name) for each in certified))
    return [name for name in good if not is_address(name)]

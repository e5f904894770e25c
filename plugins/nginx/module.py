"""`NginxModule`: a module whose servers run in the nginx that all such modules share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, Self

from pydantic import Field, model_validator

from chainwright import (
    TLS_KEY_TYPES,
    Address,
    ChainFile,
    Context,
    Endpoint,
    HostFacts,
    KeyType,
    ListenAddress,
    ListenAddresses,
    Module,
    Probe,
    Template,
    Text,
    first_repeated,
    usable_addresses,
)
from plugins.nginx.claimed_headers import CLAIMED_HEADERS
from plugins.nginx.claims import EVERY_NAME, NO_NAME, Claim
from plugins.nginx.generation import generation_socket


class NginxModule(Module):
    """Base class of modules on nginx: where they listen, and the files that their servers include.

    A subclass has a template ``http.conf.j2``, with its servers as in nginx's ``http { }``. Each includes
    ``{{ dir }}/tls.conf`` or, for plain HTTP, ``{{ dir }}/http01.conf``; ``{{ dir }}/proxy.conf`` comes before a ``proxy_pass``.
    Names that no module serves are refused by ``default.conf``, which nginx reads before the servers of all modules.
    """

    services: ClassVar[tuple[str, ...]] = ("nginx",)
    key_types: ClassVar[tuple[KeyType, ...]] = (*TLS_KEY_TYPES, KeyType.ED25519)
    files: ClassVar[tuple[ChainFile | Template | Text, ...]] = (
        Template(path="tls.conf"),
        Template(path="http01.conf"),
        Template(path="proxy.conf"),
        Template(path="default.conf"),
        Template(path="http.conf"),
    )

    listen: ListenAddresses = Field(
        ("0.0.0.0:443", "[::]:443"), validate_default=True, min_length=1, description="where HTTPS is served"
    )
    listen_http: ListenAddresses = Field(
        ("0.0.0.0:80", "[::]:80"),
        validate_default=True,
        description="where HTTP is redirected and HTTP-01 challenges are answered; [] for nowhere",
    )
    http2: bool = Field(True, description="offer HTTP/2")

    # What a plugin overrides

    def server_names(self) -> Iterable[str]:
        """Return every name that this module's servers may have, in any pass: two modules can't have the same."""
        return ()

    @property
    def answers_no_name(self) -> bool:
        """Whether clients that send no name are served: then the default server is one of these, not the one that refuses."""
        return False

    @property
    def answers_every_name(self) -> bool:
        """Whether plain HTTP is answered for any Host header."""
        return False

    # For plugins

    @property
    def dropped_headers(self) -> tuple[str, ...]:
        """Headers of a request that no upstream gets to see."""
        return CLAIMED_HEADERS

    def https_addresses(self, host: HostFacts) -> tuple[ListenAddress, ...]:
        """Return where HTTPS is served on this host."""
        return usable_addresses(self.listen, host)

    def http_addresses(self, host: HostFacts) -> tuple[ListenAddress, ...]:
        """Return where HTTP is served on this host."""
        return usable_addresses(self.listen_http, host)

    def endpoint(
        self, context: Context, server_name: str, *, slot: str = "default", probe: Probe | None = None
    ) -> Endpoint:
        """Return all addresses, looked at by one name, with the socket that shows the generation's number."""
        first, *others = self.https_addresses(context.host)
        return Endpoint(
            host=first.host,
            port=first.port,
            others=tuple(Address(host=each.host, port=each.port) for each in others),
            server_name=server_name,
            slot=slot,
            probe=probe,
            generation_socket=generation_socket(context.places, context.module, context.generation),
        )

    def claims(self) -> Iterator[Claim]:
        """Give what this module answers to, at each of its addresses."""
        names = [*self.server_names(), *([NO_NAME] if self.answers_no_name else [])]
        for address in self.listen:
            yield from (Claim(str(address), name, tls=True) for name in names)
        for address in self.listen_http:
            plain = [EVERY_NAME] if self.answers_every_name else names
            yield from (Claim(str(address), name, tls=False) for name in plain)

    @model_validator(mode="after")
    def _each_address_once(self) -> Self:
        twice = first_repeated((*self.listen, *self.listen_http))
        if twice:
            raise ValueError(f"{twice} stands twice in listen and listen_http")
        return self

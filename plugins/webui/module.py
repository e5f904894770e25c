"""Web interface as a module: settings, needs and files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Self

from pydantic import Field, model_validator

from chainwright import (
    TLS_KEY_TYPES,
    Address,
    ChainFile,
    Context,
    Endpoint,
    Host,
    HostFacts,
    KeyType,
    ListenAddress,
    ListenAddresses,
    Module,
    Name,
    Need,
    Part,
    Template,
    Text,
    Word,
    is_address,
    is_public,
    usable_addresses,
)


class WebUI(Module):
    """Web interface."""

    name: ClassVar[str] = "webui"
    title: ClassVar[str] = "Web interface"
    services: ClassVar[tuple[str, ...]] = ("webui",)
    key_types: ClassVar[tuple[KeyType, ...]] = TLS_KEY_TYPES
    # The process may read its keys by its group, but not change them: root owns them.
    files: ClassVar[tuple[ChainFile | Template | Text, ...]] = (
        ChainFile(path="{slot}/fullchain.pem", parts=(Part.FULLCHAIN,), mode=0o640),
        ChainFile(path="{slot}/key.pem", parts=(Part.KEY,), mode=0o640),
        Template(path="generation.json"),
    )

    domain: Host | None = Field(None, description="name under which the web interface is reached from outside")
    names: tuple[Name, ...] = Field((), description="further local names and addresses of this machine")
    listen: ListenAddresses = Field(
        ("0.0.0.0:8443", "[::]:8443"),
        validate_default=True,
        min_length=1,
        description="where the web interface is served",
    )
    run_as: Word = Field("chainwright-web", description="user and group of the web interface's process")

    def declare_needs(self, host: HostFacts) -> Iterable[Need]:
        """Ask for the chain of clients that connect by address or local name, and for that of the domain."""
        slots = self.slots(host)
        yield self.need(*slots["address"], slot="address", sources=("local",), pin=None)
        if "name" in slots:
            yield self.need(*slots["name"], slot="name")

    def slots(self, host: HostFacts) -> dict[str, tuple[str, ...]]:
        """Return the names of each slot.

        `address` is the default for clients without SNI and the rescue chain, so nothing in it may need anybody outside. A
        public host name is left out of it, as no need mixes public and local names: its first label stays.
        """
        label = host.name.partition(".")[0]
        own = (host.name, label, "localhost", *host.addresses, *self.names)
        local = (name for name in dict.fromkeys(own) if name != self.domain)
        slots = {"address": tuple(name for name in local if is_address(name) or not is_public(name))}
        return slots | {"name": (self.domain,)} if self.domain else slots

    def probes(self, context: Context) -> Iterable[Endpoint]:
        """Look at the default chain without SNI, and at the domain's with it."""
        from plugins.webui.probe import WebUIProbe

        first, *others = self.addresses(context.host)
        for slot in context.chains:
            yield Endpoint(
                host=first.host,
                port=first.port,
                others=tuple(Address(host=each.host, port=each.port) for each in others),
                server_name=(self.domain or "") if slot == "name" else "",
                slot=slot,
                probe=WebUIProbe(),
            )

    def addresses(self, host: HostFacts) -> tuple[ListenAddress, ...]:
        """Return where the web interface is served on this host."""
        return usable_addresses(self.listen, host)

    @property
    def file_group(self) -> str:
        """The process reads its files by its group."""
        return self.run_as

    @property
    def api_user(self) -> str:
        """The process asks the agent for what it shows."""
        return self.run_as

    @model_validator(mode="after")
    def _each_name_in_its_place(self) -> Self:
        if self.domain and is_address(self.domain):
            raise ValueError(
                f"domain must be a name; the address {self.domain} belongs into names, if it isn't this host's"
            )
        public = [name for name in self.names if is_public(name) and not is_address(name)]
        if public:
            raise ValueError(f"names are local ones, and {public[0]} is public; make it the domain")
        return self

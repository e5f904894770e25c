"""The reverse proxy: sites with names of their own, each served with its own chain by nginx."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import chain
from typing import ClassVar, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from chainwright import (
    ChainFile,
    Context,
    Endpoint,
    HostFacts,
    KeyType,
    Module,
    Need,
    NginxModule,
    Part,
    Template,
    Text,
    TLSProbe,
    UpstreamBlock,
    first_repeated,
    hookimpl,
    slots_by_key_type,
)
from plugins.reverse_proxy.site import Server, Site


class ReverseProxy(NginxModule):
    """Reverse proxy."""

    name: ClassVar[str] = "reverse_proxy"
    title: ClassVar[str] = "Reverse proxy"
    # nginx's master opens all of them before it gives up its rights, so only root reads them.
    # A directory for each of a thousand sites would double the time that a generation takes to be written and removed.
    files: ClassVar[tuple[ChainFile | Template | Text, ...]] = (
        ChainFile(path="sites/{slot}.fullchain.pem", parts=(Part.FULLCHAIN,)),
        ChainFile(path="sites/{slot}.key.pem", parts=(Part.KEY,)),
        *NginxModule.files,
    )

    second_key_type: KeyType | None = Field(
        None,
        description="key type of a second chain of each site, for clients that can't do the first; one of both is RSA",
    )
    sites: tuple[Site, ...] = Field((), description="the sites, each a [[modules.reverse_proxy.sites]] table")
    hsts_days: NonNegativeInt = Field(
        0, description="days for which browsers remember to use HTTPS only (RFC 6797); never sent with a local chain"
    )
    max_body_mb: NonNegativeInt = Field(100, description="largest request body in MB; 0: no limit")
    timeout: PositiveInt = Field(60, description="seconds without a byte from the upstream, also of a WebSocket")

    def declare_needs(self, host: HostFacts) -> Iterable[Need]:
        """Ask for one chain a server, or for one of each key type."""
        for server in self.servers(host):
            more = server.settings_for_need()
            for slot, accepted in self._slots(server).items():
                yield self.need(*server.names, slot=slot, key_types=accepted, **more)

    def names_to_resolve(self, host: HostFacts) -> Iterable[str]:
        """Return the hosts behind the sites."""
        return (site.upstream.host for site in self.sites)

    def render_files(self, context: Context) -> Iterable[Template | Text]:
        """Add the files of each server; its presence is left to a glob in ``http.conf``."""
        yield from super().render_files(context)
        for server in self.servers(context.host):
            yield from self._render_server(server, context)

    def probes(self, context: Context) -> Iterable[Endpoint]:
        """Look at each chain on the first address, by one of its names, and without SNI where it serves an address."""
        probes = {each: TLSProbe(key_type=each) for each in KeyType}
        for server in self.servers(context.host):
            chains = {slot: context.chains[slot] for slot in self._slots(server) if slot in context.chains}
            for slot, facts in chains.items():
                probe = probes[facts.key_type] if len(chains) > 1 else None
                for name in server.probe_names(facts.names):
                    yield self.endpoint(context, name, slot=slot, probe=probe)

    def servers(self, host: HostFacts) -> Iterator[Server]:
        """Give what is served, each server with its own names."""
        failing = frozenset(host.failing)
        for site, whole in zip(self.sites, self._servers, strict=True):
            yield from whole if failing.isdisjoint(site.domains) else site.servers(failing)

    def server_names(self) -> Iterator[str]:
        """Give the domains of all sites."""
        return chain.from_iterable(site.domains for site in self.sites)

    @cached_property
    def answers_no_name(self) -> bool:
        """Whether a site has an address."""
        return any(server.has_address for server in chain.from_iterable(self._servers))

    @cached_property
    def _servers(self) -> tuple[tuple[Server, ...], ...]:
        """The servers of each site while none of its names fails."""
        return tuple(tuple(site.servers()) for site in self.sites)

    def _slots(self, server: Server) -> Mapping[str, tuple[KeyType, ...]]:
        """The slots of a server, with what each accepts."""
        first, second = self._key_types(server.site)
        return slots_by_key_type(server.slot, first, second, self.accepted_key_types)

    def _key_types(self, site: Site) -> tuple[KeyType, KeyType | None]:
        return site.key_type or self.accepted_key_types[0], site.second_key_type or self.second_key_type

    def _render_server(self, server: Server, context: Context) -> Iterator[Template]:
        """Render the server in the part of its first chain, and a second pair in its own: each may come and go alone."""
        chains = context.chains
        slots = list(self._slots(server))
        present = [slot for slot in slots if slot in chains]
        sources = {chains[slot].source for slot in present}
        for leader in present[:1]:
            upstream = UpstreamBlock.of(context, server.slot, server.site.upstream)
            others = slots[slots.index(leader) + 1 :]
            values = {"server": server, "others": others, "sources": sources, "upstream": upstream}
            yield Template(path=f"sites/{leader}.conf", slot=leader, template="site.conf.j2", values=values)
        for slot in present[1:]:
            yield Template(path=f"second/{slot}.conf", slot=slot, template="second.conf.j2")

    @model_validator(mode="after")
    def _each_name_once(self) -> Self:
        owners: dict[str, Site] = {}
        for site in self.sites:
            for name in dict.fromkeys(site.domains):
                if name in owners:
                    raise ValueError(
                        f'the sites "{owners[name].slot}" and "{site.slot}" both have the domain {name}; leave it in one of them'
                    )
                owners[name] = site
        return self

    @model_validator(mode="after")
    def _each_slot_once(self) -> Self:
        servers = chain.from_iterable(site.every_server() for site in self.sites)
        twice = first_repeated(slot for server in servers for slot in self._slots(server))
        if twice:
            raise ValueError(f'two sites are called "{twice}"; give one of them another name')
        return self

    @model_validator(mode="after")
    def _one_of_two_key_types_is_rsa(self) -> Self:
        for site in self.sites:
            first, second = self._key_types(site)
            if second and first.kind is second.kind:
                raise ValueError(
                    f'the site "{site.slot}" has the key types {first} and {second}; of key_type and second_key_type one must '
                    "be RSA and the other not"
                )
        return self

    @model_validator(mode="after")
    def _one_site_without_name(self) -> Self:
        slots = [server.slot for server in chain.from_iterable(self._servers) if server.has_address]
        if len(slots) > 1:
            raise ValueError(
                f'the sites "{slots[0]}" and "{slots[1]}" both have an IP address among their domains; clients that connect '
                "to an address send no name, so only one site can answer them"
            )
        return self


@hookimpl
def register_modules() -> list[type[Module]]:
    """Return the reverse proxy."""
    return [ReverseProxy]

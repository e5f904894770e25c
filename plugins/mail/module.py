"""Mail as a module: settings, needs, files and endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain
from typing import ClassVar, Self

from pydantic import Field, field_validator, model_validator

from chainwright import (
    TLS_KEY_TYPES,
    Address,
    ChainFile,
    Change,
    Command,
    Consequence,
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
    TLSProbe,
    first_repeated,
    is_address,
    is_public,
    slot_of,
    slots_by_key_type,
    usable_addresses,
)
from plugins.mail.domain import Domain, Served, served
from plugins.mail.dovecot import Dovecot
from plugins.mail.listeners import LISTENERS, Listener, Opened, chosen
from plugins.mail.postfix import Postfix
from plugins.mail.sessions import dropped, observed_in

MAIN_SLOT = "default"
"""Of the main name."""
MANY = 200
"""Names, above which dovecot needs more memory than it allows itself."""


class Mail(Module):
    """Mail."""

    name: ClassVar[str] = "mail"
    title: ClassVar[str] = "Mail"
    services: ClassVar[tuple[str, ...]] = ("postfix", "dovecot")
    key_types: ClassVar[tuple[KeyType, ...]] = (*TLS_KEY_TYPES, KeyType.ED25519)
    # Both daemons open them before they give up their rights, so only root reads them.
    files: ClassVar[tuple[ChainFile | Template | Text, ...]] = (
        ChainFile(path="chains/{slot}.pem", parts=(Part.KEY, Part.FULLCHAIN)),
        ChainFile(path="chains/{slot}.fullchain.pem", parts=(Part.FULLCHAIN,)),
        ChainFile(path="chains/{slot}.key.pem", parts=(Part.KEY,)),
    )

    hostname: Host = Field(
        description="name of the server; what clients get that ask for no name, or for an unknown one"
    )
    domains: tuple[Name, ...] = Field((), description="its further names, each with a chain of its own (by SNI)")
    mta_sts: tuple[Host, ...] = Field(
        (), description="domains whose MTA-STS policies are compared with the names and chains that are served"
    )
    second_key_type: KeyType | None = Field(
        None,
        description="key type of a second chain of each name, for clients that can't do the first; one of both is RSA",
    )
    smtp: ListenAddresses = Field(
        ("0.0.0.0:25", "[::]:25"), validate_default=True, description="SMTP with STARTTLS; [] for nowhere"
    )
    submission: ListenAddresses = Field(
        ("0.0.0.0:587", "[::]:587"), validate_default=True, description="submission with STARTTLS"
    )
    smtps: ListenAddresses = Field(
        ("0.0.0.0:465", "[::]:465"), validate_default=True, description="submission over TLS"
    )
    imap: ListenAddresses = Field(("0.0.0.0:143", "[::]:143"), validate_default=True, description="IMAP with STARTTLS")
    imaps: ListenAddresses = Field(("0.0.0.0:993", "[::]:993"), validate_default=True, description="IMAP over TLS")
    pop3: ListenAddresses = Field((), description="POP3 with STLS, for example 110")
    pop3s: ListenAddresses = Field((), description="POP3 over TLS, for example 995")

    def declare_needs(self, host: HostFacts) -> Iterable[Need]:
        """Ask for one chain a name, or for one of each key type."""
        for domain in self._domains:
            for slot, accepted in domain.accepted.items():
                records = self._tlsa(domain.name)
                yield self.need(domain.name, slot=slot, key_types=accepted, tlsa=records, mta_sts=self.mta_sts)

    def render_files(self, context: Context) -> Iterable[Template | Text]:
        """Return what both daemons read; nothing where there is no chain at all.

        A file that names a chain is in the part of its slot; files of no name include those by globs.
        """
        names = served(self._domains, context.chains)
        if not names:
            return
        yield Template(path="dovecot.conf", values={"many": len(names) if len(names) > MANY else 0})
        yield from self._render_postfix(context)
        yield from _render_main(context, names[0])
        for name in names[1:]:
            yield from _render_name(context, name)

    def prepare_command(self, context: Context) -> Iterable[Command]:
        """Have postfix's own forms made of the chains."""
        if served(self._domains, context.chains):
            yield context.service(Postfix).make_files(context.directory)

    def inspect_command(self, context: Context) -> Command:
        """Ask who is connected to dovecot, and what a reload does to them."""
        return context.service(Dovecot).sessions(context.places)

    def consequences_of(self, change: Change, observed: str) -> Iterable[Consequence]:
        """Say whose sessions a reload of dovecot ends. postfix ends none."""
        said = dropped(observed_in(observed)) if change.slots else None
        return [said] if said else []

    def probes(self, context: Context) -> Iterable[Endpoint]:
        """Look at the main name's chains through every listener, and at those of the others through enough of them."""
        opened = {each: found for each in LISTENERS if (found := self.addresses(each, context.host))}
        for name in served(self._domains, context.chains):
            for slot in name.slots:
                yield from self._endpoints_of(name, slot, context, opened)

    def addresses(self, listener: Listener, host: HostFacts) -> tuple[ListenAddress, ...]:
        """Return where a protocol is served on this host."""
        return usable_addresses(getattr(self, listener.setting), host)

    def listeners(self, service: str, host: HostFacts) -> list[tuple[Listener, tuple[ListenAddress, ...]]]:
        """Return the listeners of a daemon, those without an address too: for its own configuration."""
        return [(each, self.addresses(each, host)) for each in LISTENERS if each.service == service]

    def _tlsa(self, name: str) -> tuple[str, ...]:
        """Return the name of the TLSA records by which mail servers judge its chain (RFC 7672 section 2.2.3)."""
        return (f"_25._tcp.{name}",) if self.smtp and is_public(name) and not name.startswith("*.") else ()

    def _endpoints_of(self, name: Served, slot: str, context: Context, opened: Opened) -> Iterator[Endpoint]:
        is_main = name.name == self.hostname
        probe = TLSProbe(key_type=context.chains[slot].key_type) if len(name.slots) > 1 else None
        for listener in opened if is_main else chosen(slot, opened, len(context.chains)):
            first, *others = opened[listener]
            yield Endpoint(
                host=first.host,
                port=first.port,
                others=tuple(Address(host=each.host, port=each.port) for each in others),
                server_name=name.concrete,
                slot=slot,
                starttls=listener.starttls,
                probe=probe,
                handshakes=None if is_main else 1,
            )

    def _render_postfix(self, context: Context) -> Iterator[Template]:
        yield Template(path="postfix/postmap/main.cf", template="postmap.cf.j2")
        if context.service(Postfix).main == "own":
            yield Template(path="postfix/main.cf")
            yield Template(path="postfix/master.cf")

    @cached_property
    def _domains(self) -> tuple[Domain, ...]:
        """The main name first."""
        slots = {self.hostname: MAIN_SLOT, **{name: slot_of(name) for name in self.domains}}
        return tuple(Domain(name, self._accepted(slot)) for name, slot in slots.items())

    def _accepted(self, slot: str) -> dict[str, tuple[KeyType, ...]]:
        every = self.accepted_key_types
        return dict(slots_by_key_type(slot, every[0], self.second_key_type, every))

    @field_validator("hostname", "domains")
    @classmethod
    def _no_addresses(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for name in (value,) if isinstance(value, str) else value:
            if is_address(name):
                raise ValueError(f"{name} is an address; mail is served under names")
        return value

    @model_validator(mode="after")
    def _each_name_once(self) -> Self:
        twice = first_repeated((self.hostname, *self.domains))
        if twice:
            raise ValueError(f"{twice} stands twice in hostname and domains")
        return self

    @model_validator(mode="after")
    def _each_slot_once(self) -> Self:
        twice = first_repeated(chain.from_iterable(domain.accepted for domain in self._domains))
        if twice:
            raise ValueError(f'two chains would be called "{twice}"; leave one of the domains out')
        return self

    @model_validator(mode="after")
    def _one_of_two_key_types_is_rsa(self) -> Self:
        first, second = self.accepted_key_types[0], self.second_key_type
        if second and first.kind is second.kind:
            raise ValueError(
                f"the key types are {first} and {second}; of key_type and second_key_type one must be RSA and the other not"
            )
        return self

    @model_validator(mode="after")
    def _each_address_once(self) -> Self:
        twice = first_repeated(chain.from_iterable(getattr(self, each.setting) for each in LISTENERS))
        if twice:
            raise ValueError(f"two protocols can't both be served at {twice}")
        return self


def _render_main(context: Context, main: Served) -> Iterator[Template | Text]:
    for number, slot in enumerate(main.slots):
        yield Template(path=f"main/{slot}.conf", slot=slot, template="pair.conf.j2", values={"second": number > 0})
        yield Text(path=f"postfix/main/{slot}", slot=slot, text=f"{_pair(context, slot)}\n")


def _render_name(context: Context, name: Served) -> Iterator[Template | Text]:
    first, *others = name.slots
    values = {"name": name.name, "others": others}
    yield Template(path=f"names/{first}.conf", slot=first, template="name.conf.j2", values=values)
    for slot in others:
        yield Template(path=f"second/{slot}.conf", slot=slot, template="pair.conf.j2", values={"second": True})
    for slot in name.slots:
        yield Text(path=f"postfix/names/{slot}", slot=slot, text=f"{name.in_postfix} {_pair(context, slot)}\n")


def _pair(context: Context, slot: str) -> str:
    """The file of a key with its chain."""
    return f"{context.directory}/chains/{slot}.pem"

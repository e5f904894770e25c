"""The module: its settings, needs, files and endpoints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import chain
from typing import ClassVar, Self

from pydantic import Field, field_validator, model_validator

from chainwright import (
    ChainFile,
    Command,
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
    is_address,
    slot_of,
    slots_by_key_type,
    told_apart,
)
from plugins.mail.domain import Domain, Served, served
from plugins.mail.listeners import DOORS, Door, Places, chosen
from plugins.mail.postfix import Postfix

MAIN_SLOT = "default"
"""Of the main name."""
MANY = 200
"""Names, above which dovecot needs more memory than it allows itself."""


class Mail(Module):
    """Mail."""

    name: ClassVar[str] = "mail"
    title: ClassVar[str] = "Mail"
    services: ClassVar[tuple[str, ...]] = ("postfix", "dovecot")
    key_types: ClassVar[tuple[KeyType, ...]] = (
        KeyType.ECDSA_P256,
        KeyType.RSA_2048,
        KeyType.ECDSA_P384,
        KeyType.RSA_3072,
        KeyType.RSA_4096,
        KeyType.ED25519,
    )
    # Both daemons open them before they give up their rights, so nobody but root reads them.
    files: ClassVar[tuple[ChainFile | Template | Text, ...]] = (
        ChainFile(path="chains/{slot}.pem", parts=(Part.KEY, Part.FULLCHAIN)),
        ChainFile(path="chains/{slot}.fullchain.pem", parts=(Part.FULLCHAIN,)),
        ChainFile(path="chains/{slot}.key.pem", parts=(Part.KEY,)),
    )

    hostname: Host = Field(
        description="name of the server; what clients get that ask for no name, or for an unknown one"
    )
    domains: tuple[Name, ...] = Field((), description="its further names, each with a chain of its own (by SNI)")
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

    def needs(self, host: HostFacts) -> Iterable[Need]:
        """Ask for one chain a name, or for one of each key type."""
        for domain in self._domains:
            for slot, accepted in domain.accepted.items():
                yield self.need(domain.name, slot=slot, key_types=accepted)

    def render(self, context: Context) -> Iterable[Template | Text]:
        """Return what both daemons read; nothing where there is no chain at all.

        What names a chain stands in the part of its slot, and what belongs to no name leaves it to globs.
        """
        names = served(self._domains, context.chains)
        if not names:
            return
        yield Template(path="dovecot.conf", values={"many": len(names) if len(names) > MANY else 0})
        yield from self._render_postfix(context)
        yield from _render_main(context, names[0])
        for name in names[1:]:
            yield from _render_name(context, name)

    def prepare_with(self, context: Context) -> Iterable[Command]:
        """Have postfix's own forms made of the chains."""
        if served(self._domains, context.chains):
            yield _postfix(context).make_files(context.directory)

    def endpoints(self, context: Context) -> Iterable[Endpoint]:
        """Look at the main name's chains through every door, and at those of the others through enough of them."""
        places = {door: found[0] for door in DOORS if (found := self.addresses(door, context.host))}
        for each in served(self._domains, context.chains):
            for slot in each.slots:
                yield from self._endpoints_of(each, slot, context, places)

    def addresses(self, door: Door, host: HostFacts) -> tuple[ListenAddress, ...]:
        """Return where a protocol is served on this host."""
        configured: tuple[ListenAddress, ...] = getattr(self, door.setting)
        return tuple(each for each in configured if each.usable(host.addresses)) or configured

    def listeners(self, service: str, host: HostFacts) -> list[tuple[Door, tuple[ListenAddress, ...]]]:
        """Return the doors of a daemon, closed ones too, with their addresses: for its own configuration."""
        return [(door, self.addresses(door, host)) for door in DOORS if door.service == service]

    def _endpoints_of(self, name: Served, slot: str, context: Context, places: Places) -> Iterator[Endpoint]:
        is_main = name.name == self.hostname
        probe = TLSProbe(key_type=context.chains[slot].key_type) if len(name.slots) > 1 else None
        for door in places if is_main else chosen(slot, places, len(context.chains)):
            yield Endpoint(
                host=places[door].looked_at,
                port=places[door].port,
                server_name=name.concrete,
                slot=slot,
                starttls=door.starttls,
                probe=probe,
                handshakes=None if is_main else 1,
            )

    def _render_postfix(self, context: Context) -> Iterator[Template]:
        yield Template(path="postfix/postmap/main.cf", template="postmap.cf.j2")
        if _postfix(context).main == "own":
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
        twice = [name for name, count in Counter((self.hostname, *self.domains)).items() if count > 1]
        if twice:
            raise ValueError(f"{twice[0]} stands twice in hostname and domains")
        return self

    @model_validator(mode="after")
    def _each_slot_once(self) -> Self:
        counts = Counter(chain.from_iterable(domain.accepted for domain in self._domains))
        twice = [slot for slot, count in counts.items() if count > 1]
        if twice:
            raise ValueError(f'two chains would be called "{twice[0]}"; leave one of the domains out')
        return self

    @model_validator(mode="after")
    def _one_of_two_key_types_is_rsa(self) -> Self:
        first, second = self.accepted_key_types[0], self.second_key_type
        if second and not told_apart(first, second):
            raise ValueError(
                f"the key types are {first} and {second}; of key_type and second_key_type one must be RSA and the other not"
            )
        return self

    @model_validator(mode="after")
    def _each_address_once(self) -> Self:
        addresses = chain.from_iterable(getattr(self, door.setting) for door in DOORS)
        twice = [address for address, count in Counter(addresses).items() if count > 1]
        if twice:
            raise ValueError(f"two protocols can't both be served at {twice[0]}")
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


def _postfix(context: Context) -> Postfix:
    found = context.services["postfix"]
    assert isinstance(found, Postfix)
    return found

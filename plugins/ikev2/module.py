"""IKEv2 as a module: settings, needs, files and endpoints."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import ClassVar, Self

from pydantic import Field, model_validator

from chainwright import (
    ChainFacts,
    ChainFile,
    Change,
    Command,
    Consequence,
    Context,
    Endpoint,
    Host,
    HostFacts,
    Issuer,
    KeyType,
    Module,
    Need,
    Part,
    RootPhase,
    Template,
    Text,
    first_repeated,
    slot_of,
)
from plugins.ikev2.branch import HEAD_OFFICE, Branch
from plugins.ikev2.connection import Auth, RoadWarrior, User
from plugins.ikev2.consequences import consequences_of
from plugins.ikev2.cross_certificates import leading_nowhere
from plugins.ikev2.peers_seen import BEFORE
from plugins.ikev2.probe import IkeProbe
from plugins.ikev2.service import StrongSwan
from plugins.ikev2.vici_probe import ViciProbe

MAIN_SLOT = "default"
"""Of the main name, with the module's key types."""
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?", re.DOTALL)
SECRET = 0o600


class IKEv2(Module):
    """IKEv2 VPN."""

    name: ClassVar[str] = "ikev2"
    title: ClassVar[str] = "IKEv2 VPN"
    services: ClassVar[tuple[str, ...]] = ("strongswan",)
    verifies_peers: ClassVar[bool] = True
    # Clients compare the identity with the certificate's names as a whole (RFC 4945 section 5.1.3.1.2).
    takes_wildcards: ClassVar[bool] = False
    # RSA first: clients of older systems refuse the other.
    key_types: ClassVar[tuple[KeyType, ...]] = (
        KeyType.RSA_2048,
        KeyType.RSA_3072,
        KeyType.RSA_4096,
        KeyType.ECDSA_P256,
        KeyType.ECDSA_P384,
    )

    domain: Host = Field(description="name or address that clients dial")
    connections: tuple[RoadWarrior, ...] = Field((), description="connections that clients dial in by")
    users: tuple[User, ...] = Field((), description="who may dial in with a password")
    branches: tuple[Branch, ...] = Field((), description="connections to other sites")
    identity: Host | None = Field(None, description="name by which branches know this side; default: the domain")

    # What is asked for

    def declare_needs(self, host: HostFacts) -> Iterable[Need]:
        """Ask for a chain by the ladder for road warriors, and for those of the sites."""
        for (domain, key_types), slot in self._slots.items():
            yield self.need(domain, slot=slot, key_types=key_types, lists_rsa=self._listing_rsa(slot))
        if any(each.issued is None for each in self.branches):
            yield self.need(self.identity or self.domain, slot=HEAD_OFFICE, sources=("local",), pin=None)
        for slot, name in {each.slot: each.issued for each in self.branches if each.issued}.items():
            yield self.need(name, slot=slot, sources=("uploaded",), pin=None)

    # Files: a generation is laid out like /etc/swanctl, and names nothing outside of itself

    def receive_chains(self, chains: Mapping[str, ChainFacts]) -> Iterable[ChainFile]:
        """Put each certificate into a file of its own: charon's formats know one a file."""
        for slot, chain in chains.items():
            yield ChainFile(path=f"private/{slot}.pem", slot=slot, parts=(Part.KEY,))
            yield ChainFile(path=f"x509/{slot}.pem", slot=slot, parts=(Part.LEAF,))
            for index in range(chain.intermediates):
                yield ChainFile(
                    path=f"x509ca/{slot}.{index + 1}.pem", slot=slot, parts=(Part.INTERMEDIATES,), index=index
                )
            yield ChainFile(path=f"x509ca/{slot}.root.pem", slot=slot, parts=(Part.ROOT,))

    def render_files(self, context: Context) -> Iterable[Template | Text]:
        """Return a file a connection, of the slot whose chain it names; users, and what verifies peers."""
        own = tuple(_file_names(issuer)[0] for issuer in context.issuers if issuer.believed)
        if self._verifies_by_own_root:
            yield from _files_of_the_roots(context)
        for connection in self.connections:
            if connection.client_ca or own or not connection.by_certificate:
                values = {"connection": connection, "issuers": _rooted(context, connection.client_ca) or own}
                yield self._file(connection.name, self._slot_of(connection), "road-warrior.conf.j2", values)
        for slot in sorted({each.slot for each in self.branches if each.issued and not each.remote_ca}):
            for name, text in _other_roots(context, slot).items():
                yield Text(path=f"x509ca/{name}", slot=slot, text=text)
        for branch in self.branches:
            issuers = (f"{branch.slot}.root.pem", *_other_roots(context, branch.slot)) if branch.issued else own
            if branch.remote_ca or issuers:
                values = {
                    "branch": branch,
                    "issuers": _rooted(context, branch.remote_ca) or issuers,
                    "identity": self._identity(branch),
                }
                yield self._file(branch.name, branch.slot, "branch.conf.j2", values)
        if self.users:
            yield Text(path="conf.d/users.conf", text=_secrets(self.users), mode=SECRET)

    # What is looked at

    def probes(self, context: Context) -> Iterable[Endpoint]:
        """Dial in as far as that goes without a password; where only certificates are taken, ask charon for its own."""
        service = context.service(StrongSwan)
        left_out = leading_nowhere(context.issuers)
        dialled = {self._slot_of(each): each.domain or self.domain for each in self.connections if each.by_eap}
        for slot in context.chains:
            if slot in dialled:
                yield Endpoint(
                    host="",
                    port=service.port,
                    server_name=dialled[slot],
                    slot=slot,
                    probe=IkeProbe(left_out=left_out),
                    interfaces=service.interfaces,
                )
            else:
                yield Endpoint(path=service.socket(context.places), slot=slot, probe=ViciProbe(left_out), handshakes=1)

    def inspect_command(self, context: Context) -> Command:
        """Ask who is connected."""
        return context.service(StrongSwan).sessions(context.places)

    def consequences_of(self, change: Change, observed: str) -> Iterable[Consequence]:
        """Name the sites that another root cuts off, and who is connected by what would change."""
        slots = {each.name: self._slot_of(each) for each in self.connections}
        return consequences_of(change, observed, self.branches, self.connections, slots)

    @property
    def connection_names(self) -> tuple[str, ...]:
        """Of all connections, as charon is told them."""
        return (*(each.name for each in self.connections), *(each.name for each in self.branches))

    def _file(self, name: str, slot: str, template: str, values: Mapping[str, object]) -> Template:
        return Template(path=f"conf.d/{name}.conf", slot=slot, template=template, values=values)

    def _identity(self, branch: Branch) -> str:
        return branch.issued or self.identity or self.domain

    def _listing_rsa(self, slot: str) -> str:
        """Return the connections of a slot whose clients are told of RSA roots alone: for EAP-TLS charon lists no others."""
        asked = [each for each in self.connections if each.auth is Auth.EAP_TLS and not each.client_ca]
        names = [each.name for each in asked if self._slot_of(each) == slot]
        return f"strongSwan for {' and '.join(names)} (EAP-TLS)" if names else ""

    @property
    def _verifies_by_own_root(self) -> bool:
        return any(each.by_own_root for each in self.connections) or any(each.by_own_root for each in self.branches)

    @cached_property
    def _slots(self) -> dict[tuple[str, tuple[KeyType, ...]], str]:
        """Connections that dial the same name and accept the same key types share a chain."""
        found: dict[tuple[str, tuple[KeyType, ...]], str] = {}
        for each in self.connections:
            domain, accepted = each.domain or self.domain, each.key_types or self.accepted_key_types
            base = MAIN_SLOT if domain == self.domain else slot_of(domain, 100)
            usual = accepted == self.accepted_key_types
            found[domain, accepted] = base if usual else f"{base}.{accepted[0]}"
        return found

    def _slot_of(self, connection: RoadWarrior) -> str:
        return self._slots[connection.domain or self.domain, connection.key_types or self.accepted_key_types]

    # What is refused

    @model_validator(mode="after")
    def _something_is_served(self) -> Self:
        if not self.connections and not self.branches:
            raise ValueError("it serves nobody; write connections or branches")
        return self

    @model_validator(mode="after")
    def _each_name_once(self) -> Self:
        for what, names in (("connection", self.connection_names), ("user", [each.name for each in self.users])):
            twice = first_repeated(names)
            if twice:
                raise ValueError(f'the {what} "{twice}" stands there twice')
        return self

    @model_validator(mode="after")
    def _each_slot_once(self) -> Self:
        twice = first_repeated(self._slots.values())
        if twice:
            raise ValueError(f'two chains would be called "{twice}"; give these connections the same key_types')
        return self

    @model_validator(mode="after")
    def _key_types_are_accepted(self) -> Self:
        for each in self.connections:
            odd = [key_type for key_type in each.key_types if key_type not in self.key_types]
            if odd:
                raise ValueError(f'the connection "{each.name}" has the key type {odd[0]}, which IKEv2 has no use for')
        return self

    @model_validator(mode="after")
    def _passwords_have_users(self) -> Self:
        wanting = [each.name for each in self.connections if each.by_password]
        if wanting and not self.users:
            raise ValueError(f'nobody can dial in by the connection "{wanting[0]}"; write users')
        return self

    @model_validator(mode="after")
    def _clients_tell_connections_apart(self) -> Self:
        dialled = Counter((each.domain or self.domain, each.by_eap) for each in self.connections)
        for (domain, by_eap), count in dialled.items():
            if count > 1:
                what = "EAP" if by_eap else Auth.PUBKEY
                raise ValueError(
                    f"{count} connections with {what} can't be dialled as {domain}; give each a domain of its own"
                )
        return self

    @model_validator(mode="after")
    def _who_begins_knows_where(self) -> Self:
        lost = [each.name for each in self.branches if each.start and each.address == "%any"]
        if lost:
            raise ValueError(f'the connection "{lost[0]}" can\'t begin here without an address')
        return self


def _file_names(issuer: Issuer) -> list[str]:
    """Return a file for the root, and one for each certificate above it."""
    before = BEFORE if issuer.phase is RootPhase.REPLACED else ""
    stem = "issuer" if issuer.present else f"issuer.{before}{issuer.sha256[:12]}"
    return [f"{stem}.{number}.pem" for number in range(len(CERTIFICATE.findall(issuer.certificates)))]


def _files_of_the_roots(context: Context) -> Iterator[Text]:
    """Yield the roots that are believed, those above them, and their lists: what a root has signed goes on when another signs.

    One that is retired is not trusted: why it was replaced only the operator knows.
    """
    for issuer in context.issuers:
        if issuer.believed:
            names = _file_names(issuer)
            for name, text in zip(names, CERTIFICATE.findall(issuer.certificates), strict=True):
                yield Text(path=f"x509ca/{name}", text=text)
            if issuer.crl:
                yield Text(path=f"x509crl/{names[0].removesuffix('.0.pem')}.pem", text=issuer.crl)


def _other_roots(context: Context, slot: str) -> Mapping[str, str]:
    """Return the files of roots that the other side has given beside the one that signed: its next one, or the one before."""
    found = context.chains[slot].other_roots if slot in context.chains else ()
    return {f"{slot}.root.{number}.pem": text for number, text in enumerate(found, 1)}


def _rooted(context: Context, paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(str(context.places.rooted(path)) for path in paths)


def _secrets(users: Iterable[User]) -> str:
    """Write passwords in base64 (swanctl.conf(5)): no character of theirs means anything to a parser."""
    lines = ["secrets {"]
    for user in users:
        encoded = base64.b64encode(user.password.reveal().encode()).decode()
        name = base64.b32encode(user.name.encode()).decode().lower().rstrip("=")
        lines += [f"  eap-{name} {{", f'    id = "{user.name}"', f'    secret = "0s{encoded}"', "  }"]
    return "\n".join([*lines, "}", ""])

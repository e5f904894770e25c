"""Connections that clients dial in by, and users."""

from __future__ import annotations

import re
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from chainwright import Host, KeyType, PathText, Secret

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
USER = re.compile(r"[A-Za-z0-9._@+-]{1,128}")
PROPOSAL = re.compile(r"[a-z0-9-]{1,200}")

Network = IPv4Network | IPv6Network
EVERYWHERE = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise ValueError('must be lower-case letters, digits or "-", at most 32')
    return text


def _user(text: str) -> str:
    if not USER.fullmatch(text):
        raise ValueError('must be letters, digits or one of "._@+-"')
    return text


def _proposal(text: str) -> str:
    if not PROPOSAL.fullmatch(text):
        raise ValueError('must be like "aes256gcm16-prfsha384-ecp384", or "default"')
    return text


ConnectionName = Annotated[str, AfterValidator(_name)]
UserName = Annotated[str, AfterValidator(_user)]
Proposal = Annotated[str, AfterValidator(_proposal)]


class Auth(StrEnum):
    """Methods by which clients prove who they are."""

    EAP_MSCHAPV2 = "eap-mschapv2"
    """User and password (RFC 2759 in EAP)."""
    EAP_TLS = "eap-tls"
    """A certificate, inside of EAP (RFC 5216)."""
    PUBKEY = "pubkey"
    """A certificate, in IKE itself (RFC 7296 section 2.15)."""


class User(BaseModel):
    """One ``[[modules.ikev2.users]]`` table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: UserName = Field(description="as the client says it")
    password: Secret = Field(description="its password")


class RoadWarrior(BaseModel):
    """One ``[[modules.ikev2.connections]]`` table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: ConnectionName = Field(description="of the connection in charon; no other one there has it")
    auth: Auth = Field(Auth.EAP_MSCHAPV2, description="how clients prove who they are")
    domain: Host | None = Field(None, description="name or address that these clients dial; default: the module's")
    key_types: tuple[KeyType, ...] = Field(
        (),
        description="key types that these clients accept, the one to ask for first; default: the module's, RSA first",
    )
    pools: tuple[Network, ...] = Field(min_length=1, description="networks that clients get an address of")
    dns: tuple[IPv4Address | IPv6Address, ...] = Field((), description="name servers that clients are told")
    local_ts: tuple[Network, ...] = Field(EVERYWHERE, min_length=1, description="what clients reach through the tunnel")
    client_ca: tuple[PathText, ...] = Field(
        (), description="files with CA certificates, one in each, that sign clients; default: the appliance's own root"
    )
    proposals: tuple[Proposal, ...] = Field(("default",), min_length=1, description="algorithms of IKE")
    esp_proposals: tuple[Proposal, ...] = Field(("default",), min_length=1, description="algorithms of ESP")

    @property
    def by_password(self) -> bool:
        """Whether clients have users and passwords."""
        return self.auth is Auth.EAP_MSCHAPV2

    @property
    def by_eap(self) -> bool:
        """Whether the server proves who it is before its client does (RFC 7296 section 2.16)."""
        return self.auth is not Auth.PUBKEY

    @property
    def by_certificate(self) -> bool:
        """Whether clients have certificates."""
        return not self.by_password

    @property
    def by_own_root(self) -> bool:
        """Whether the certificates that clients have are of the appliance's own root."""
        return self.by_certificate and not self.client_ca

"""Types of the settings of the ACME source."""

from __future__ import annotations

import base64
import binascii
import re
from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from agent.contract.fields import Secret, SecretText, one_or_several
from agent.model.known_cas import KNOWN_DIRECTORIES
from agent.system.names import is_address, is_wildcard, parse_name

DIRECTORY_PATH = re.compile(r"[A-Za-z0-9_./~:@!&=+,%?-]*")
MAILBOX = re.compile(r"[A-Za-z0-9_.+~=-]{1,64}")
"""The part before the @; no quotes, no comments, nothing that a mailto: URI has to escape (RFC 6068)."""
FOR_ADDRESSES = "shortlived"
"""Profile by which Let's Encrypt certifies addresses; by any other it refuses the order."""
KEY_ID = re.compile(r"[!-~]{1,256}")


def account_entry(directory: str) -> str:
    """Return where a source remembers its account at a CA."""
    return f"account {directory}"


def _program(argv: tuple[str, ...]) -> tuple[str, ...]:
    if argv and not argv[0].startswith("/"):
        raise ValueError("must begin with the path of a program, for example /usr/local/sbin/window")
    return argv


Argv = Annotated[tuple[str, ...], AfterValidator(_program), Field(max_length=100)]
"""A program by its path, with its arguments; empty: none."""


def _with_url(argv: tuple[str, ...]) -> tuple[str, ...]:
    if argv and not any("{url}" in each for each in argv):
        raise ValueError("must have {url} among its arguments: what it is to fetch")
    return argv


VantagePoint = Annotated[Argv, AfterValidator(_with_url)]
"""A program that fetches ``{url}``; empty: none."""


def _directory(text: str) -> str:
    if text in KNOWN_DIRECTORIES:
        return text
    known = ", ".join(f'"{each}"' for each in KNOWN_DIRECTORIES)
    try:
        parts = urlsplit(text)
        host, port = parse_name(parts.hostname or ""), parts.port
    except ValueError as error:
        raise ValueError(f'must be {known}, or the address of a directory like "https://ca.example/acme"') from error
    if "@" in parts.netloc or parts.fragment or port == 0 or is_wildcard(host) or not parts.path:
        raise ValueError(f'must be {known}, or the address of a directory like "https://ca.example/acme"')
    if not DIRECTORY_PATH.fullmatch(parts.path + parts.query):
        raise ValueError("holds a character that an address must not hold")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise ValueError("must begin with https:// (RFC 8555 section 6.1), but for a CA on this machine itself")
    return text


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (is_address(host) and ip_address(host).is_loopback)


def _mail(text: str) -> str:
    mailbox, _, host = text.rpartition("@")
    domain = parse_name(host) if host else ""
    if not MAILBOX.fullmatch(mailbox) or "." not in domain or is_address(domain) or is_wildcard(domain):
        raise ValueError('must be an e-mail address like "admin@example.com"')
    return f"{mailbox}@{domain}"


def _key_id(text: str) -> str:
    if not KEY_ID.fullmatch(text):
        raise ValueError("must be the key identifier that the CA gave you: printable characters without spaces")
    return text


def _mac_key(secret: SecretText) -> SecretText:
    text = "".join(secret.reveal().split()).rstrip("=").replace("+", "-").replace("/", "_")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError("must be the key that the CA gave you, in base64url or base64")
    return SecretText(text)


DirectoryUrl = Annotated[str, AfterValidator(_directory)]
"""One of `KNOWN_DIRECTORIES`, or a URL."""
Mail = Annotated[str, AfterValidator(_mail)]
Mails = Annotated[tuple[Mail, ...], BeforeValidator(one_or_several)]
"""One e-mail address, or a list."""
KeyId = Annotated[str, AfterValidator(_key_id)]
MacKey = Annotated[Secret, AfterValidator(_mac_key)]


class ExternalAccount(BaseModel):
    """``[acme.external_account]``: the account that the CA wants the ACME account bound to (RFC 8555 section 7.3.4)."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    kid: KeyId = Field(description="key identifier that the CA gave you")
    hmac_key: MacKey = Field(description="key that the CA gave you, in base64url or base64")
    algorithm: Literal["HS256", "HS384", "HS512"] = Field(
        "HS256", description="what the CA wants the binding signed with"
    )

"""Authentication: the peer's uid identifies the process, a session or a token the person."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from agent.api.access import LOCAL, ROOT, Access, Caller
from agent.auth import Accounts
from agent.auth.bearer_tokens import SESSION_PREFIX
from agent.errors.api import AuthenticationRequired, BadRequest, PeerForbidden
from agent.errors.auth import InvalidToken, PasswordChangeRequired, PermissionDenied

CLIENT = "chainwright-client"
"""Header in which the web interface passes the address of the browser."""
BEARER = "bearer "


@dataclass(frozen=True, slots=True)
class PeerProcesses:
    """Users whose processes may connect: root, the agent's own, and the web interface's."""

    own: int
    """Uid of the agent."""
    web: frozenset[int]
    """Uids under which the web interface runs."""

    def check(self, uid: int) -> None:
        """Raise `PeerForbidden` unless processes of this user may connect."""
        if uid not in {0, self.own, *self.web}:
            raise PeerForbidden(uid)


def identify(
    peers: PeerProcesses, uid: int, headers: Mapping[str, str], access: Access, accounts: Accounts, now: datetime
) -> Caller:
    """Return who calls, having made sure that they may. `headers`: names in lower case.

    Root needs no session, unless it is the web interface that runs as root and forwards a request.
    Raises `AuthError` and `ApiError`.
    """
    address = _address(peers, uid, headers)
    shown = headers.get("authorization", "")
    if not shown and uid == 0 and CLIENT not in headers:
        return Caller(ROOT, address)
    if access is Access.PUBLIC:
        return Caller(None, address)
    caller = _known(_text(shown), address, accounts, now)
    _check(caller, access)
    return caller


def _address(peers: PeerProcesses, uid: int, headers: Mapping[str, str]) -> str:
    told = headers.get(CLIENT)
    if told is None or uid not in peers.web:
        return LOCAL if uid == 0 else f"{LOCAL}, uid {uid}"
    try:
        address = ipaddress.ip_address(told.partition("%")[0])  # without a zone (RFC 4007): it means nothing elsewhere
    except ValueError:
        raise BadRequest("it must be an IP address", "Chainwright-Client") from None
    return str(getattr(address, "ipv4_mapped", None) or address)


def _text(shown: str) -> str:
    if not shown:
        raise AuthenticationRequired
    if not shown.lower().startswith(BEARER):
        raise InvalidToken
    return shown[len(BEARER) :].strip()


def _known(text: str, address: str, accounts: Accounts, now: datetime) -> Caller:
    if text.startswith(SESSION_PREFIX):
        session = accounts.session(text, now)
        return Caller(session.person, address, text, session)
    return Caller(accounts.bearer(text, now), address, text)


def _check(caller: Caller, access: Access) -> None:
    person = caller.person
    assert person is not None
    if person.must_change and access is not Access.PERSON:
        raise PasswordChangeRequired
    if not person.role.may(access.role):
        raise PermissionDenied(person.name, person.role, access.role)

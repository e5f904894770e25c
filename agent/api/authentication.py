"""Authentication: the peer's uid identifies the process, a session or a token the person."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from agent.api.access import LOCAL, ROOT, Access, Caller, Proof
from agent.auth import Accounts
from agent.auth.bearer_tokens import SESSION_PREFIX
from agent.errors.api import AuthenticationRequired, BadRequest, PeerForbidden
from agent.errors.auth import (
    InvalidToken,
    PasswordChangeRequired,
    PasswordRequired,
    PermissionDenied,
    TokenForbidden,
)

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


def without_session(peers: PeerProcesses, uid: int, headers: Mapping[str, str], access: Access) -> Caller | None:
    """Return a caller of whom the store needn't be asked: root, or somebody who hasn't logged in where that will do.

    Root needs no session, unless it is the web interface that runs as root and forwards a request.
    Raises `BadRequest`, and `AuthenticationRequired` where nothing is shown.
    """
    address = _address(peers, uid, headers)
    shown = headers.get("authorization", "")
    if not shown and uid == 0 and CLIENT not in headers:
        return Caller(ROOT, address)
    if access is Access.PUBLIC:
        return Caller(None, address)
    if not shown:
        raise AuthenticationRequired
    return None


def identify(
    peers: PeerProcesses,
    uid: int,
    headers: Mapping[str, str],
    accounts: Accounts,
    now: datetime,
    *,
    access: Access,
    proof: Proof = Proof.NONE,
) -> Caller:
    """Return who calls, having made sure that they may. `headers`: names in lower case. Raises `AuthError` and `ApiError`."""
    address = _address(peers, uid, headers)
    text = _text(headers.get("authorization", ""))
    if _of_browser(peers, uid, headers) and not text.startswith(SESSION_PREFIX):
        raise InvalidToken  # a token in the place of a session: it is for programs, never for a cookie
    caller = _known(text, address, accounts, now)
    _check(caller, access)
    _check_proof(caller, proof, now)
    return caller


def _of_browser(peers: PeerProcesses, uid: int, headers: Mapping[str, str]) -> bool:
    """Whether the web interface passes a browser's request on."""
    return CLIENT in headers and uid in peers.web


def _address(peers: PeerProcesses, uid: int, headers: Mapping[str, str]) -> str:
    if not _of_browser(peers, uid, headers):
        return LOCAL if uid == 0 else f"{LOCAL}, uid {uid}"
    told = headers[CLIENT]
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


def _check_proof(caller: Caller, proof: Proof, now: datetime) -> None:
    if proof is not Proof.NONE and caller.is_token:
        raise TokenForbidden(caller.name)
    if proof is Proof.PASSWORD and caller.session is not None and now >= caller.session.password_until:
        raise PasswordRequired

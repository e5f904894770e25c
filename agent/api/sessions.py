"""Routes for logging in and out, and for one's own password."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import Field

from agent.api.access import Access, Proof
from agent.api.request import ApiRequest, ApiResponse
from agent.api.route import Input, Pool, Route
from agent.auth import Accounts, Person, Role, Session
from agent.auth.audit_chain import LOGGED_IN, LOGGED_OUT
from agent.auth.login_attempt import Attempt
from agent.auth.passwords import LONGEST
from agent.auth.person import Audit
from agent.errors.api import ConfirmationRequired, NoOwnPassword, NoOwnSession

LONGEST_NAME = 64
LONGEST_DEVICE = 64


class Login(Input):
    """Name and password."""

    user: str = Field(max_length=LONGEST_NAME)
    password: str = Field(max_length=LONGEST)
    device: str = Field("", max_length=LONGEST_DEVICE, description="of an earlier login from the same browser")


class PasswordChange(Input):
    """The present password, and the one that is to follow."""

    old: str = Field(max_length=LONGEST)
    new: str = Field(max_length=LONGEST)
    confirmed: bool = Field(False, description="the tokens of the person may end")


class Password(Input):
    """The present password, once more."""

    password: str = Field(max_length=LONGEST)


@dataclass(frozen=True, slots=True)
class WhoIs:
    """Person who has logged in."""

    user: str
    role: Role
    must_change: bool
    """Nothing but the password can be changed before that is done."""
    idle_at: datetime | None
    """When the session ends unless it is used before; None: there is no session."""
    ends_at: datetime | None
    """When the session ends in any case."""
    password_until: datetime | None
    """Until when the password counts as given just now; None: there is no session."""


@dataclass(frozen=True, slots=True)
class LoggedIn(WhoIs):
    """Person who has just logged in, with the session's token."""

    token: str
    """For ``Authorization: Bearer TOKEN``."""
    device: str
    """For the field `device` of the browser's next logins, which opens nothing; empty: what it has sent stays good."""


@dataclass(frozen=True, slots=True)
class PasswordEffects:
    """What another password ends, beside sessions."""

    tokens: tuple[str, ...]
    """Names of the person's tokens."""


def open_session(request: ApiRequest) -> ApiResponse:
    """Log in. Raises `InvalidCredentials` and `TooManyLogins`."""
    login: Login = request.body
    with request.services.accounts() as accounts:
        person = accounts.check_password(
            login.user, login.password, request.caller.address, request.now, device=login.device
        )
        text, session = accounts.open_session(person, request.caller.address, request.now)
        device = accounts.remember_device(person, login.device, request.now)
        accounts.audit(Audit(request.now, person.name, request.caller.address, LOGGED_IN, person.name))
    return ApiResponse(_logged_in(text, session, device), 201)


def login_attempt(request: ApiRequest) -> Attempt:
    """Return who tries to log in, and from where."""
    login: Login = request.body
    return Accounts.attempt(login.user, request.caller.address, login.device)


def show(request: ApiRequest) -> ApiResponse:
    """Show the caller."""
    person = request.caller.person
    assert person is not None
    return ApiResponse(_who(person, request.caller.session))


def close(request: ApiRequest) -> ApiResponse:
    """Log out. Raises `NoOwnSession`."""
    if request.caller.session is None:
        raise NoOwnSession(request.caller.name)
    with request.services.accounts() as accounts:
        accounts.close_session(request.caller.text)
    request.note(LOGGED_OUT, request.caller.name)
    return ApiResponse(status=204)


def give_password(request: ApiRequest) -> ApiResponse:
    """Have the password count as given just now. Raises `PasswordWrong` and `TooManyLogins`."""
    session = _own_session(request)
    given: Password = request.body
    with request.services.accounts() as accounts:
        accounts.give_password(
            request.caller.text, session.person.name, given.password, request.caller.address, request.now
        )
        return ApiResponse(_who(session.person, accounts.session(request.caller.text, request.now)))


def password_effects(request: ApiRequest) -> ApiResponse:
    """Say what another password of the caller's ends."""
    session = request.caller.session
    with request.services.accounts() as accounts:
        found = accounts.tokens_of(session.person.name, request.now) if session else []
    return ApiResponse(PasswordEffects(tuple(each.name for each in found)))


def change_password(request: ApiRequest) -> ApiResponse:
    """Change one's own password: every session and token of that person ends, and a new session begins.

    Raises `InvalidCredentials`, `TooManyLogins`, `PasswordRefused`, and `ConfirmationRequired` where there are tokens.
    """
    change: PasswordChange = request.body
    name = _own_session(request).person.name
    with request.changed_accounts() as accounts:
        person = accounts.check_password(name, change.old, request.caller.address, request.now, own=True)
        tokens = accounts.tokens_of(name, request.now)
        if tokens and not change.confirmed:
            raise ConfirmationRequired([f"The token {each.name} ends." for each in tokens])
        accounts.set_password(name, change.new, request.now)
        text, opened = accounts.open_session(replace(person, must_change=False), request.caller.address, request.now)
        device = accounts.remember_device(person, "", request.now)
    return ApiResponse(_logged_in(text, opened, device))


def _own_session(request: ApiRequest) -> Session:
    if request.caller.session is None:
        raise NoOwnPassword(request.caller.name)
    return request.caller.session


def _who(person: Person, session: Session | None) -> WhoIs:
    instants = (session.idle_at, session.ends_at, session.password_until) if session else (None, None, None)
    return WhoIs(person.name, person.role, person.must_change, *instants)


def _logged_in(text: str, session: Session, device: str) -> LoggedIn:
    person = session.person
    instants = (session.idle_at, session.ends_at, session.password_until)
    return LoggedIn(person.name, person.role, person.must_change, *instants, text, device)


ROUTES = (
    Route(
        "POST",
        "/v1/session",
        Access.PUBLIC,
        open_session,
        "Log in",
        LoggedIn,
        201,
        body=Login,
        pool=Pool.PASSWORD,
        attempt=login_attempt,
        problems=(401, 429),
    ),
    Route("GET", "/v1/session", Access.PERSON, show, "Show the caller", WhoIs),
    Route("DELETE", "/v1/session", Access.PERSON, close, "Log out", status=204, problems=(403,)),
    Route(
        "POST",
        "/v1/session/password",
        Access.ADMIN,
        give_password,
        "Give the password once more, for what a session alone is not enough for",
        WhoIs,
        body=Password,
        proof=Proof.PERSON,
        pool=Pool.PASSWORD,
        problems=(429,),
    ),
    Route(
        "GET",
        "/v1/password/effects",
        Access.PERSON,
        password_effects,
        "Say which tokens of the caller's end with another password",
        PasswordEffects,
    ),
    Route(
        "POST",
        "/v1/password",
        Access.PERSON,
        change_password,
        "Change one's own password; a new session takes the place of the old ones",
        LoggedIn,
        body=PasswordChange,
        pool=Pool.PASSWORD,
        problems=(401, 422, 429),
    ),
)

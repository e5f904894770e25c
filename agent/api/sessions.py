"""Routes for logging in and out, and for one's own password."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import Field

from agent.api.access import Access
from agent.api.request import ApiRequest, ApiResponse
from agent.api.route import Input, Pool, Route
from agent.auth import Person, Role, Session
from agent.auth.audit_chain import LOGGED_IN, LOGGED_OUT
from agent.auth.passwords import LONGEST
from agent.auth.person import Audit
from agent.errors.api import NoOwnPassword, NoOwnSession

LONGEST_NAME = 64


class Login(Input):
    """Name and password."""

    user: str = Field(max_length=LONGEST_NAME)
    password: str = Field(max_length=LONGEST)


class PasswordChange(Input):
    """The present password, and the one that is to follow."""

    old: str = Field(max_length=LONGEST)
    new: str = Field(max_length=LONGEST)


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


@dataclass(frozen=True, slots=True)
class LoggedIn(WhoIs):
    """Person who has just logged in, with the session's token."""

    token: str
    """For ``Authorization: Bearer TOKEN``."""


def open_session(request: ApiRequest) -> ApiResponse:
    """Log in. Raises `InvalidCredentials` and `TooManyLogins`."""
    login: Login = request.body
    with request.services.accounts() as accounts:
        person = accounts.check_password(login.user, login.password, request.caller.address, request.now)
        text, session = accounts.open_session(person, request.caller.address, request.now)
        accounts.audit(Audit(request.now, person.name, request.caller.address, LOGGED_IN, person.name))
    return ApiResponse(_logged_in(text, session), 201)


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


def change_password(request: ApiRequest) -> ApiResponse:
    """Change one's own password: every session of that person ends, and a new one begins."""
    change: PasswordChange = request.body
    session = request.caller.session
    if session is None:
        raise NoOwnPassword(request.caller.name)
    name = session.person.name
    with request.services.accounts() as accounts:
        person = accounts.check_password(name, change.old, request.caller.address, request.now)
        accounts.set_password(name, change.new, request.now)
        text, opened = accounts.open_session(replace(person, must_change=False), request.caller.address, request.now)
    request.note("password set", name)
    return ApiResponse(_logged_in(text, opened))


def _who(person: Person, session: Session | None) -> WhoIs:
    idle_at, ends_at = (session.idle_at, session.ends_at) if session else (None, None)
    return WhoIs(person.name, person.role, person.must_change, idle_at, ends_at)


def _logged_in(text: str, session: Session) -> LoggedIn:
    person = session.person
    return LoggedIn(person.name, person.role, person.must_change, session.idle_at, session.ends_at, text)


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
        problems=(401, 429),
    ),
    Route("GET", "/v1/session", Access.PERSON, show, "Show the caller", WhoIs),
    Route("DELETE", "/v1/session", Access.PERSON, close, "Log out", status=204, problems=(403,)),
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

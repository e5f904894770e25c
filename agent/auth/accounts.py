"""People, sessions, tokens and the audit log, as one interface."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from agent.auth import bearer_tokens, names, passwords
from agent.auth.audit_chain import LOGIN_FAILED
from agent.auth.audit_log import AuditLog
from agent.auth.devices import Devices
from agent.auth.login_attempt import Attempt, Standings
from agent.auth.person import Audit, Origin, Person, Role, Session, Token, TokenMaker
from agent.auth.sessions import SEEN_EVERY, Sessions
from agent.auth.throttle import Throttle
from agent.auth.tokens import Tokens
from agent.errors.auth import (
    InvalidCredentials,
    InvalidToken,
    OneTimePasswordEnded,
    PasswordWrong,
    TokenRefused,
    UserNotFound,
    UserRefused,
)
from agent.store import Store
from agent.store.instants import read_known, written

FIRST = "admin"
"""Name of the administrator who is there from the beginning."""
LONGEST_TOKEN = timedelta(days=366)
NOBODY = "nobody"
"""Who failed to log in where there is no such account: what was typed may be a password, so it isn't kept."""
ADDED = "user added"
"""Action of the row about somebody who is new, with the role."""
ONE_TIME = timedelta(hours=24)
"""How long a one-time password waits for its login."""


class Accounts:
    """Accounts in the store; each method that changes something is one durable transaction, with its row of the record.

    `password_cost`: of passwords that are set from now on, and of one that is tried for a name that nobody has;
    `origin`: of the changes; None: they are in no record.
    """

    def __init__(self, store: Store, password_cost: passwords.Cost | None = None, origin: Origin | None = None) -> None:
        self._store = store
        self._origin = origin
        self._cost = password_cost or passwords.Cost()
        self._database = store.database
        self._sessions = Sessions(store.database)
        self._tokens = Tokens(store.database)
        self._throttle = Throttle(store.database)
        self._devices = Devices(store.database)
        self._record = AuditLog(store)

    # Who there is

    def all(self) -> list[Person]:
        """Return everybody, in the order of their names."""
        query = "select name, role, must_change from people order by name"
        return self._database.decoded("people", _person, query)

    def one_time_password(self, name: str, now: datetime, role: Role = Role.ADMIN) -> str:
        """Set and return a password for one login of `name` within `ONE_TIME`; `role`: of a person who is new.

        Raises `UserRefused`.
        """
        names.check_user(name)
        row = self._kept(name)
        password = passwords.one_time()
        action, detail = ("one-time password made", "") if row else (ADDED, f"{role}, one-time password")
        self._put(name, Role(row["role"]) if row else role, password, now, (action, name, detail), must_change=True)
        return password

    def add(self, name: str, role: Role, password: str, now: datetime) -> Person:
        """Let somebody in. Raises `UserRefused` and `PasswordRefused`."""
        names.check_user(name)
        if self._kept(name) is not None:
            raise UserRefused(name, "there is one already", f"Change the password: chainwright webui password {name}")
        passwords.check_new(password, name)
        return self._put(name, role, password, now, (ADDED, name, str(role)))

    def remove(self, name: str) -> None:
        """Let somebody out, at once, and their tokens with them.

        Raises `UserNotFound`, and `UserRefused` for the last administrator.
        """
        with self._store.write():
            if self._kept(name) is None:
                raise UserNotFound(name)
            self._keep_an_administrator(name)
            self._sessions.close_all(name)
            self._tokens.end_of(name)
            self._devices.forget(name)
            self._database.execute("delete from people where name = ?", [name])
            self._note("user removed", name)

    def set_role(self, name: str, role: Role) -> None:
        """Change a role; where it gets less, sessions end, and tokens that were given more. Raises as `remove` does."""
        with self._store.write():
            row = self._kept(name)
            if row is None:
                raise UserNotFound(name)
            if role is Role(row["role"]):
                return
            if not role.may(Role(row["role"])):
                self._keep_an_administrator(name)
                self._sessions.close_all(name)
                self._tokens.end_of(name, beyond=role)
            self._database.execute("update people set role = ? where name = ?", [str(role), name])
            self._note("role changed", name, str(role))

    def _keep_an_administrator(self, name: str) -> None:
        if [each.name for each in self.all() if each.role is Role.ADMIN] == [name]:
            raise UserRefused(name, "nobody else is an administrator", "Make another one first.")

    def set_password(self, name: str, password: str, now: datetime) -> None:
        """Change a password and end every session and token of its owner. Raises `UserNotFound` and `PasswordRefused`."""
        row = self._kept(name)
        if row is None:
            raise UserNotFound(name)
        passwords.check_new(password, name)
        self._put(name, Role(row["role"]), password, now, ("password set", name))

    # Getting in

    def check_password(
        self, name: str, password: str, address: str, now: datetime, *, device: str = "", own: bool = False
    ) -> Person:
        """Return who it is. Raises `TooManyLogins` and `InvalidCredentials`.

        `device`: text that the browser shows as its own; `own`: the person is logged in and gives the password once more.
        """
        attempt = self.attempt(name, address, device, own=own)
        self._throttle.of(attempt).check(attempt, now)
        row = self._kept(name)
        matches = passwords.matches(password, row["password"] if row else passwords.nobodys(self._cost))
        if row is None or not matches:
            with self._store.write():
                self._throttle.failed(attempt, now)
                self._record.add(
                    Audit(now, name if row else NOBODY, attempt.network, LOGIN_FAILED, "own" if own else "")
                )
            raise InvalidCredentials
        with self._store.write():
            self._throttle.succeeded(attempt, now)
        return _person(row)

    @staticmethod
    def attempt(name: str, address: str, device: str = "", *, own: bool = False) -> Attempt:
        """Return a try of a password, as queues and budgets know it."""
        return Attempt(name, address, bearer_tokens.digest(device) if device else "", own)

    def standings(self) -> Standings:
        """Return which tries are held back, and which come first."""
        return self._throttle.all()

    def remember_device(self, person: Person, shown: str, now: datetime) -> str:
        """Note that somebody has logged in from a browser. Return what it is to show from now on; empty: as before."""
        with self._store.write():
            return self._devices.remember(person.name, shown, now)

    def open_session(self, person: Person, address: str, now: datetime) -> tuple[str, Session]:
        """Return the text that the browser shows from now on, and the session.

        Raises `OneTimePasswordEnded` where the person has a one-time password, and it is too old or was used before.
        """
        with self._store.write():
            if person.must_change:
                self._use_one_time_password(person.name, now)
            return self._sessions.open(person, address, now)

    def session(self, text: str, now: datetime) -> Session:
        """Return the session of a text. Raises `SessionExpired`.

        That it's used is noted once a minute, unless somebody else is writing: a look waits for nobody.
        """
        session = self._sessions.find(text, now)
        if self._sessions.is_to_be_noted(session, now):
            self._store.write_if_free(lambda: self._sessions.seen(text, now))
        return session

    def give_password(self, session: str, name: str, password: str, address: str, now: datetime) -> None:
        """Have the password count as given in a session. Raises `TooManyLogins` and `PasswordWrong`."""
        try:
            self.check_password(name, password, address, now, own=True)
        except InvalidCredentials:
            raise PasswordWrong(name) from None
        with self._store.write():
            self._sessions.password_given(session, now)

    def close_session(self, text: str) -> None:
        """End a session; no error if there is none."""
        with self._store.write():
            self._sessions.close(text)

    # Tokens

    def token(self, text: str, now: datetime) -> Person:
        """Return whom a token stands for, and note that it's used, as for `session`. Raises `InvalidToken`."""
        person, used_at = self._tokens.holder(text, now)
        if used_at is None or not timedelta() <= now - used_at < SEEN_EVERY:
            self._store.write_if_free(lambda: self._tokens.used(text, now))
        return person

    def make_token(
        self, name: str, role: Role, maker: TokenMaker, now: datetime, lifetime: timedelta
    ) -> tuple[str, Token]:
        """Make a token; its text is shown once. Raises `TokenRefused` for a name or a lifetime that can't be."""
        names.check_token(name)
        if not timedelta() < lifetime <= LONGEST_TOKEN:
            raise TokenRefused(name, f"it lives for at most {LONGEST_TOKEN.days} days", "Choose a shorter time.")
        with self._store.write():
            text, made = self._tokens.make(name, role, maker, now, now + lifetime)
            self._note("token made", name, f"{made.id}, {role}, {lifetime.days} days")
            return text, made

    def tokens_of(self, name: str, now: datetime, beyond: Role | None = None) -> list[Token]:
        """Return the tokens that end with the account of a person or with its password; with `beyond`, with a lesser role."""
        return self._tokens.of(name, now, beyond)

    def tokens(self) -> list[Token]:
        """Return every token, the newest first."""
        return self._tokens.all()

    def revoke_token(self, token: str) -> None:
        """Forget a token by its id. Raises `TokenNotFound`."""
        with self._store.write():
            called = [each.name for each in self.tokens() if each.id == token]
            self._tokens.revoke(token)
            self._note("token revoked", token, *called)

    def bearer(self, text: str, now: datetime) -> Person:
        """Return whom a bearer text stands for: a session's or a token's. Raises `SessionExpired` or `InvalidToken`."""
        if text.startswith(bearer_tokens.SESSION_PREFIX):
            return self.session(text, now).person
        if text.startswith(bearer_tokens.TOKEN_PREFIX):
            return self.token(text, now)
        raise InvalidToken

    # The record

    def audit(self, row: Audit) -> None:
        """Write down what somebody did."""
        with self._store.write():
            self._record.add(row)

    def _note(self, action: str, subject: str, detail: str = "") -> None:
        if self._origin is not None:
            self._record.note(self._origin.actor, self._origin.at, action, subject, detail)

    def check_rate(self, who: str, now: datetime) -> None:
        """Raise `TooManyChanges` for somebody who has made very many changes today."""
        self._record.check_rate(who, now)

    def audits(self, limit: int = 100) -> list[Audit]:
        """Return the newest rows of the record, the newest first."""
        return self._record.newest(limit)

    def _use_one_time_password(self, name: str, now: datetime) -> None:
        query = "select name, changed_at from people where name = ? and must_change and used_at is null"
        found = self._database.decoded("people", lambda row: read_known(row["changed_at"]), query, [name])
        # The clock may have been set since; what it is wrong by is not believed without a bound either.
        if not found or abs(now - found[0]) >= ONE_TIME:
            raise OneTimePasswordEnded(name)
        self._database.execute("update people set used_at = ? where name = ?", [written(now), name])

    def _kept(self, name: str) -> dict[str, Any] | None:
        query = "select name, role, must_change, password from people where name = ?"
        return next(iter(self._database.decoded("people", _account, query, [name], _locked)), None)

    def _put(
        self, name: str, role: Role, password: str, now: datetime, row: tuple[str, ...], *, must_change: bool = False
    ) -> Person:
        kept = passwords.encoded(password, self._cost)
        with self._store.write():
            self._sessions.close_all(name)
            self._tokens.end_of(name)
            self._devices.forget(name)
            self._throttle.forget(name)
            self._database.table("people").upsert(
                {
                    "name": name,
                    "role": str(role),
                    "password": kept,
                    "must_change": int(must_change),
                    "changed_at": written(now),
                    "used_at": None,
                },
                pk="name",
            )
            self._note(*row)
        return Person(name, role, must_change)


def _account(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "role": Role(row["role"])}


def _locked(row: dict[str, Any]) -> dict[str, Any]:
    """Return what is left of a damaged row: somebody of that name, whom no password lets in, and who may do the least."""
    return {"name": row["name"], "role": Role.VIEWER, "must_change": 0, "password": ""}


def _person(row: dict[str, Any]) -> Person:
    return Person(row["name"], Role(row["role"]), bool(row["must_change"]))

"""API tokens: what a program shows, with a role and an end."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from agent.auth import bearer_tokens
from agent.auth.person import Person, Role, Token, TokenMaker
from agent.errors.auth import InvalidToken, TokenNotFound, TokenRefused
from agent.model.pause import AHEAD
from agent.store.connection import Connection
from agent.store.instants import read, read_known, written

SELECT = (
    "select tokens.*, people.role as owner_role from tokens left join people on people.name = tokens.owner"
    " where (tokens.owner is null or people.name is not null)"
)


class Tokens:
    """The table `tokens`. Call what changes it inside `Store.write`."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def make(self, name: str, role: Role, maker: TokenMaker, now: datetime, expires_at: datetime) -> tuple[str, Token]:
        """Make a token in the place of an expired one of this name; return its text, which isn't kept.

        Raises `TokenRefused` where one of this name is good.
        """
        self._make_room(name, now)
        text = bearer_tokens.make(bearer_tokens.TOKEN_PREFIX)
        token = Token(secrets.token_hex(4), name, role, maker.name, now, expires_at, None)
        self._database.table("tokens").insert(
            {
                "id": token.id,
                "sha256": bearer_tokens.digest(text),
                "name": name,
                "role": str(role),
                "made_by": maker.name,
                "owner": maker.account,
                "made_at": written(now),
                "expires_at": written(expires_at),
                "used_at": None,
            }
        )
        return text, token

    def all(self) -> list[Token]:
        """Return every token, the newest first."""
        return self._found("true order by made_at desc")

    def of(self, owner: str, now: datetime, beyond: Role | None = None) -> list[Token]:
        """Return the tokens of a person that are good, by name; with `beyond`, those that were given more than this role."""
        found = self._found(f"owner = ? and tokens.role in {_beyond(beyond)} order by tokens.name", owner)
        return [each for each in found if now < each.expires_at]

    def end_of(self, owner: str, beyond: Role | None = None) -> None:
        """Forget the tokens of a person; with `beyond`, those alone that were given more than this role."""
        self._database.execute(f"delete from tokens where owner = ? and role in {_beyond(beyond)}", [owner])  # noqa: S608

    def holder(self, text: str, now: datetime) -> tuple[Person, datetime | None]:
        """Return whom a text stands for, and when it was noted to be used last. Raises `InvalidToken`.

        One that was made further in the future than a clock is set back in the ordinary course would be good for too long.
        """
        token = next(iter(self._found("sha256 = ?", bearer_tokens.digest(text))), None)
        if token is None or token.made_at > now + AHEAD or now >= token.expires_at:
            raise InvalidToken
        return Person(f"token {token.name}", token.role), token.used_at

    def used(self, text: str, now: datetime) -> None:
        """Note when a token was used last."""
        self._database.execute(
            "update tokens set used_at = ? where sha256 = ?", [written(now), bearer_tokens.digest(text)]
        )

    def revoke(self, token: str) -> None:
        """Forget a token by its id. Raises `TokenNotFound`."""
        if not self._database.execute("delete from tokens where id = ?", [token]).rowcount:
            raise TokenNotFound(token)

    def _make_room(self, name: str, now: datetime) -> None:
        for each in self._found("tokens.name = ?", name):
            if now < each.expires_at:
                raise TokenRefused(
                    name,
                    f"{each.made_by} has made one of this name",
                    f"Choose another name, or revoke it: chainwright webui token revoke {each.id}",
                )
        self._database.execute("delete from tokens where name = ?", [name])

    def _found(self, condition: str, *values: str) -> list[Token]:
        """Return tokens whose owner is there. `condition`: of this module, never of a caller."""
        return self._database.decoded("tokens", _token, f"{SELECT} and {condition}", list(values))


def _beyond(role: Role | None) -> str:
    """Return the roles that include more than `role`, or all, as a list of SQL."""
    return "({})".format(", ".join(f"'{each}'" for each in Role if role is None or not role.may(each)))


def _token(row: dict[str, Any]) -> Token:
    role = Role(row["role"])
    return Token(
        id=row["id"],
        name=row["name"],
        role=role if row["owner_role"] is None else role.within(Role(row["owner_role"])),
        made_by=row["made_by"],
        made_at=read_known(row["made_at"]),
        expires_at=read_known(row["expires_at"]),
        used_at=read(row["used_at"]),
    )

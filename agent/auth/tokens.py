"""API tokens: what a program shows, with a role and an end."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from agent.auth import bearer_tokens
from agent.auth.person import Person, Role, Token
from agent.errors.auth import InvalidToken, TokenNotFound
from agent.store.connection import Connection
from agent.store.instants import read, read_known, written


class Tokens:
    """The table `tokens`. Call what changes it inside `Store.write`."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def make(self, name: str, role: Role, made_by: str, now: datetime, expires_at: datetime) -> tuple[str, Token]:
        """Make a token; return its text, which isn't kept."""
        text = bearer_tokens.make(bearer_tokens.TOKEN_PREFIX)
        token = Token(secrets.token_hex(4), name, role, made_by, now, expires_at, None)
        self._database.table("tokens").insert(
            {
                "id": token.id,
                "sha256": bearer_tokens.digest(text),
                "name": name,
                "role": str(role),
                "made_by": made_by,
                "made_at": written(now),
                "expires_at": written(expires_at),
                "used_at": None,
            }
        )
        return text, token

    def all(self) -> list[Token]:
        """Return every token, the newest first."""
        return self._database.decoded("tokens", _token, "select * from tokens order by made_at desc")

    def holder(self, text: str, now: datetime) -> tuple[Person, datetime | None]:
        """Return whom a text stands for, and when it was noted to be used last. Raises `InvalidToken`."""
        query = "select * from tokens where sha256 = ?"
        token = next(iter(self._database.decoded("tokens", _token, query, [bearer_tokens.digest(text)])), None)
        if token is None or not token.made_at <= now < token.expires_at:
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


def _token(row: dict[str, Any]) -> Token:
    return Token(
        id=row["id"],
        name=row["name"],
        role=Role(row["role"]),
        made_by=row["made_by"],
        made_at=read_known(row["made_at"]),
        expires_at=read_known(row["expires_at"]),
        used_at=read(row["used_at"]),
    )

"""API tokens: what programs show instead of a password."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import Field

from agent.api.access import Access
from agent.api.request import Answer, Call
from agent.api.route import Input, Route, Whole
from agent.auth import Role, Token
from agent.auth.accounts import LONGEST_TOKEN


class TokenWish(Input):
    """The token that is to be made."""

    name: str = Field(max_length=64)
    role: Role = Role.VIEWER
    days: Whole = Field(90, ge=1, le=LONGEST_TOKEN.days)


@dataclass(frozen=True, slots=True)
class TokenMade:
    """A new token. Its text is shown only now."""

    id: str
    token: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class TokenList:
    """Tokens without their texts, the newest first."""

    tokens: tuple[Token, ...]


def listed(call: Call) -> Answer:
    """Return every token."""
    with call.office.people() as people:
        return Answer(TokenList(tuple(people.tokens())))


def make(call: Call) -> Answer:
    """Make a token. Raises `PersonRefused`."""
    wish: TokenWish = call.body
    with call.office.people() as people:
        text, token = people.make_token(wish.name, wish.role, call.caller.name, call.now, timedelta(days=wish.days))
    call.note("token made", wish.name, f"{token.id}, {wish.role}, {wish.days} days")
    return Answer(TokenMade(token.id, text, token.expires_at), 201)


def revoke(call: Call) -> Answer:
    """Let a token be good for nothing. Raises `TokenUnknown`."""
    with call.office.people() as people:
        people.revoke_token(call.path["id"])
    call.note("token revoked", call.path["id"])
    return Answer(status=204)


ROUTES = (
    Route("GET", "/v1/tokens", Access.ADMIN, listed, "List the tokens, without their texts", TokenList),
    Route("POST", "/v1/tokens", Access.ADMIN, make, "Make a token", TokenMade, 201, body=TokenWish, problems=(422,)),
    Route("DELETE", "/v1/tokens/{id}", Access.ADMIN, revoke, "Revoke a token", status=204, problems=(404,)),
)

"""Routes of API tokens, which programs use instead of a password."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import Field

from agent.api.access import Access, Proof
from agent.api.request import ApiRequest, ApiResponse
from agent.api.route import Input, Route, Whole
from agent.auth import Role, Token
from agent.auth.accounts import LONGEST_TOKEN
from agent.auth.person import TokenMaker


class NewToken(Input):
    """Name, role and lifetime of a token."""

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


def listed(request: ApiRequest) -> ApiResponse:
    """Return every token."""
    with request.services.accounts() as accounts:
        return ApiResponse(TokenList(tuple(accounts.tokens())))


def make(request: ApiRequest) -> ApiResponse:
    """Make a token, which ends with the caller's account. Raises `TokenRefused`."""
    body: NewToken = request.body
    session = request.caller.session
    maker = TokenMaker(request.caller.name, session.person.name if session else None)
    with request.changed_accounts() as accounts:
        text, token = accounts.make_token(body.name, body.role, maker, request.now, timedelta(days=body.days))
    return ApiResponse(TokenMade(token.id, text, token.expires_at), 201)


def revoke(request: ApiRequest) -> ApiResponse:
    """Revoke a token. Raises `TokenNotFound`."""
    with request.changed_accounts() as accounts:
        accounts.revoke_token(request.path["id"])
    return ApiResponse(status=204)


ROUTES = (
    Route("GET", "/v1/tokens", Access.ADMIN, listed, "List the tokens, without their texts", TokenList),
    Route(
        "POST",
        "/v1/tokens",
        Access.ADMIN,
        make,
        "Make a token",
        TokenMade,
        201,
        body=NewToken,
        proof=Proof.PASSWORD,
        problems=(422,),
    ),
    Route(
        "DELETE",
        "/v1/tokens/{id}",
        Access.ADMIN,
        revoke,
        "Revoke a token",
        status=204,
        proof=Proof.PERSON,
        problems=(404,),
    ),
)

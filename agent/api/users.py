"""Route of the users. They are added and removed on the appliance itself, never through the network."""

from __future__ import annotations

from dataclasses import dataclass

from agent.api.access import Access
from agent.api.request import ApiRequest, ApiResponse
from agent.api.route import Route
from agent.auth import Person


@dataclass(frozen=True, slots=True)
class UserList:
    """People who may log in, by name."""

    users: tuple[Person, ...]


def listed(request: ApiRequest) -> ApiResponse:
    """Return every user."""
    with request.services.accounts() as accounts:
        return ApiResponse(UserList(tuple(accounts.all())))


ROUTES = (Route("GET", "/v1/users", Access.ADMIN, listed, "List who may log in", UserList),)

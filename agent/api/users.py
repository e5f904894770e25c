"""Who there is. People are added and removed on the appliance itself: nobody who got in here may let others in."""

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
    """Return everybody."""
    with request.services.accounts() as accounts:
        return ApiResponse(UserList(tuple(accounts.all())))


ROUTES = (Route("GET", "/v1/users", Access.ADMIN, listed, "List who may log in", UserList),)

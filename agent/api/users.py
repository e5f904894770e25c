"""Who there is. People are added and removed on the appliance itself: nobody who got in here may let others in."""

from __future__ import annotations

from dataclasses import dataclass

from agent.api.access import Access
from agent.api.request import Answer, Call
from agent.api.route import Route
from agent.auth import Person


@dataclass(frozen=True, slots=True)
class UserList:
    """People who may log in, by name."""

    users: tuple[Person, ...]


def listed(call: Call) -> Answer:
    """Return everybody."""
    with call.office.people() as people:
        return Answer(UserList(tuple(people.all())))


ROUTES = (Route("GET", "/v1/users", Access.ADMIN, listed, "List who may log in", UserList),)

"""Content of requests: read within limits of size, time and memory."""

from __future__ import annotations

import asyncio
from collections import Counter

from starlette.requests import Request

from plugins.webui.errors import FormMalformed, FormTooLarge, FormTooSlow, FormUnexpected, TooManyForms

BEFORE_LOGIN = 8 * 1024
"""Octets of a form that nobody who has logged in sends: name and password."""
LARGEST = 2 * 2**20
"""Octets of any other one: a chain has a few thousand."""
IN_ALL = 8 * 2**20
"""Octets of all forms of those who have logged in, at a time; of those who haven't, the number of connections is the limit."""
OF_ONE_SESSION = 4 * 2**20
LONGEST_WAIT = 30.0
"""Seconds for a whole form."""
BEGIN = 5.0
"""Seconds in which it may come as slowly as it likes."""
LOWEST_RATE = 1024
"""Octets a second, after that."""


class ContentBudget:
    """Memory for the content of all requests at a time."""

    def __init__(self, in_all: int = IN_ALL, of_one_session: int = OF_ONE_SESSION) -> None:
        self._in_all = in_all
        self._of_one = of_one_session
        self._held: Counter[str] = Counter()

    def take(self, session: str, octets: int) -> None:
        """Hold some more for a session. Raises `TooManyForms`."""
        if self._held[session] + octets > self._of_one or self._held.total() + octets > self._in_all:
            raise TooManyForms
        self._held[session] += octets

    def give_back(self, session: str, octets: int) -> None:
        """Hold less for a session."""
        self._held[session] -= octets
        if self._held[session] <= 0:
            del self._held[session]


class Content:
    """Content of one request, which holds a part of the budget until the request is answered."""

    def __init__(self, request: Request, budget: ContentBudget, session: str) -> None:
        """`session`: empty where nobody has logged in."""
        self._request = request
        self._budget = budget
        self._session = session
        self._held = 0

    def check_size(self) -> None:
        """Raise where a request says that it's too large, or doesn't say it, as browsers do: `WebUIError`."""
        length = self._request.headers.get("content-length")
        if length is None or not length.isdecimal():
            raise FormMalformed("it does not say how long it is")
        if int(length) > self._most:
            raise FormTooLarge(LARGEST) if self._session else FormUnexpected(BEFORE_LOGIN)

    async def read(self, seconds: float = LONGEST_WAIT) -> bytearray:
        """Return it whole. Raises `WebUIError`, and `ClientDisconnect` when it breaks off."""
        self.check_size()
        found = bytearray()
        parts = self._request.stream()
        now = asyncio.get_running_loop().time
        began = now()
        while True:
            until = min(began + seconds, began + BEGIN + len(found) / LOWEST_RATE)
            try:
                async with asyncio.timeout_at(until):
                    part = await anext(parts, None)
            except TimeoutError:
                raise FormTooSlow(now() - began) from None
            if part is None:
                return found
            self._hold(len(part))
            found += part

    def release(self) -> None:
        """Give back what it holds."""
        if self._held:
            self._budget.give_back(self._session, self._held)
            self._held = 0

    @property
    def _most(self) -> int:
        return LARGEST if self._session else BEFORE_LOGIN

    def _hold(self, octets: int) -> None:
        if self._session:
            self._budget.take(self._session, octets)
            self._held += octets

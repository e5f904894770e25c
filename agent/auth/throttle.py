"""How many logins may fail, for an address and for a name. Nothing here holds back the command line.

A name that is attacked from everywhere is closed only to addresses from which it has not logged in before, so that guesses
can't lock the administrator out.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from agent.errors.auth import TooManyLogins
from agent.store.connection import Connection
from agent.store.instants import read_known, written

WINDOW = timedelta(minutes=15)
FAILURES_OF_ADDRESS = 10
FAILURES_OF_NAME = 20
KNOWN = timedelta(days=30)
"""An address from which a name has logged in within this time is known."""


class Throttle:
    """The table `login_tries`."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def check(self, name: str, address: str, now: datetime) -> None:
        """Raise `TooManyLogins` if a login is not even to be looked at."""
        failures = self._failures("address", address, now)
        if len(failures) >= FAILURES_OF_ADDRESS:
            raise TooManyLogins(failures[-FAILURES_OF_ADDRESS] + WINDOW)
        failures = self._failures("person", name, now)
        if len(failures) >= FAILURES_OF_NAME and not self._known(name, address, now):
            raise TooManyLogins(failures[-FAILURES_OF_NAME] + WINDOW)

    def note(self, name: str, address: str, now: datetime, *, good: bool) -> None:
        """Write down how a login went; what is older than anybody asks for is dropped. Call inside `Store.write`."""
        self._database.execute("delete from login_tries where at < ?", [written(now - KNOWN)])
        self._database.execute(
            "insert into login_tries (at, person, address, good) values (?, ?, ?, ?)",
            [written(now), name, address, int(good)],
        )

    def _failures(self, column: str, value: str, now: datetime) -> list[datetime]:
        """Return the failures inside of the window and after the last good login, the earliest first.

        A good login counts for the address and name that it was made with, so that an attacker who knows one password
        can't clear the slate for another.
        """
        query = (
            f"select at from login_tries as failed where {column} = ? and not good and at > ? and at <= ?"  # noqa: S608
            " and not exists (select 1 from login_tries as good where good.good and good.person = failed.person"
            " and good.address = failed.address and good.at >= failed.at) order by at"
        )
        rows = self._database.execute(query, [value, written(now - WINDOW), written(now)])
        return [read_known(row[0]) for row in rows]

    def _known(self, name: str, address: str, now: datetime) -> bool:
        query = "select 1 from login_tries where good and person = ? and address = ? and at > ? limit 1"
        return self._database.execute(query, [name, address, written(now - KNOWN)]).fetchone() is not None

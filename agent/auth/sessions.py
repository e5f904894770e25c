"""Sessions: opaque, on the server's side, with an idle and an absolute end."""

from __future__ import annotations

from datetime import datetime, timedelta

from agent.auth import bearer_tokens
from agent.auth.person import Person, Role, Session
from agent.errors.auth import SessionExpired
from agent.model.pause import TOLERANCE
from agent.store.connection import UNDECODABLE, Connection
from agent.store.instants import read_known, written

IDLE = timedelta(minutes=30)
ABSOLUTE = timedelta(hours=12)
MOST = 50
"""Of one person; the one that was idle for longest ends first."""
SEEN_EVERY = timedelta(minutes=1)
"""How exact the idle time is: a page that refreshes itself is not to write to the disk each time."""
PASSWORD_COUNTS = timedelta(minutes=5)
"""How long a password that was given counts as given just now."""
COLUMNS = (
    "sessions.opened_at, sessions.seen_at, sessions.ends_at, sessions.address, people.name, people.role,"
    " people.must_change, sessions.password_at"
)


class Sessions:
    """The table `sessions`. Call what changes it inside `Store.write`."""

    def __init__(self, database: Connection) -> None:
        self._database = database

    def open(self, person: Person, address: str, now: datetime) -> tuple[str, Session]:
        """Open a session; return the text that the browser shows, which isn't kept."""
        self._database.execute(
            "delete from sessions where ends_at <= ? or seen_at <= ? or opened_at > ?",
            [written(now), written(now - IDLE), written(now + TOLERANCE)],
        )
        oldest = "select sha256 from sessions where person = ? order by seen_at desc, opened_at desc limit -1 offset ?"
        self._database.execute(f"delete from sessions where sha256 in ({oldest})", [person.name, MOST - 1])  # noqa: S608
        text = bearer_tokens.make(bearer_tokens.SESSION_PREFIX)
        self._database.table("sessions").insert(
            {
                "sha256": bearer_tokens.digest(text),
                "person": person.name,
                "address": address,
                "opened_at": written(now),
                "seen_at": written(now),
                "ends_at": written(now + ABSOLUTE),
                "password_at": written(now),
            }
        )
        return text, Session(person, now, now + IDLE, now + ABSOLUTE, address, now + PASSWORD_COUNTS)

    def find(self, text: str, now: datetime) -> Session:
        """Return the session of a text, with the person as they are now. Raises `SessionExpired`."""
        query = f"select {COLUMNS} from sessions join people on people.name = sessions.person where sha256 = ?"  # noqa: S608
        row = self._database.execute(query, [bearer_tokens.digest(text)]).fetchone()
        if row is None:
            raise SessionExpired
        try:
            opened, seen, ends, password = (read_known(value) for value in (*row[:3], row[7] or row[0]))
            person = Person(row[4], Role(row[5]), bool(row[6]))
        except UNDECODABLE as error:
            raise SessionExpired from error
        # A clock that was set back before the session was opened says nothing about its age.
        if not opened <= now < min(ends, seen + IDLE):
            raise SessionExpired
        counts = password + PASSWORD_COUNTS if password <= now else opened
        return Session(person, opened, seen + IDLE, ends, row[3], counts)

    def is_to_be_noted(self, session: Session, now: datetime) -> bool:
        """Whether the use of a session is worth writing."""
        return now >= session.idle_at - IDLE + SEEN_EVERY

    def seen(self, text: str, now: datetime) -> None:
        """Note that a session is used."""
        self._database.execute(
            "update sessions set seen_at = ? where sha256 = ?", [written(now), bearer_tokens.digest(text)]
        )

    def password_given(self, text: str, now: datetime) -> None:
        """Note that the person has given the password once more."""
        self._database.execute(
            "update sessions set password_at = ? where sha256 = ?", [written(now), bearer_tokens.digest(text)]
        )

    def close(self, text: str) -> None:
        """End a session."""
        self._database.execute("delete from sessions where sha256 = ?", [bearer_tokens.digest(text)])

    def close_all(self, name: str) -> None:
        """End every session of a person."""
        self._database.execute("delete from sessions where person = ?", [name])

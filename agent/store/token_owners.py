"""Tokens of older databases: found out whose they are, and given names of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database

import re
from typing import Any

PERSON = re.compile(r"[a-z][a-z0-9._-]{0,31}")
"""Who made a token was written down as a person's name, as `token NAME`, or as a user of the system with a number."""
MADE_BY_TOKEN = "token "  # noqa: S105 - the beginning of a name
LONGEST = 32


def own(db: Database) -> None:
    """Set the owner of each token; one whose owner is gone or can't be known ends.

    Tokens could make tokens: those are their maker's owner's.
    """
    rows = list(db.query("select id, name, made_by from tokens"))
    people = {row["name"] for row in db.query("select name from people")}
    for row in rows:
        owner = _maker(row, rows)
        if owner in people:
            db.table("tokens").update(row["id"], {"owner": owner})
        elif owner is None or PERSON.fullmatch(owner):
            db.table("tokens").delete(row["id"])


def _maker(row: dict[str, Any], rows: list[dict[str, Any]]) -> str | None:
    """Return who began a line of tokens; None where it leads nowhere, or to several."""
    made_by = row["made_by"] or ""
    for _ in rows:
        if not made_by.startswith(MADE_BY_TOKEN):
            return str(made_by)
        makers = {each["made_by"] or "" for each in rows if each["name"] == made_by.removeprefix(MADE_BY_TOKEN)}
        if len(makers) != 1:
            return None
        (made_by,) = makers
    return None if made_by.startswith(MADE_BY_TOKEN) else str(made_by)


def name_once(db: Database) -> None:
    """Give each token a name that no other has: the one that was made first keeps it."""
    taken: set[str] = set()
    rows = list(db.query("select id, name from tokens order by made_at, id"))
    names = {row["name"] for row in rows}
    for row in rows:
        name, number = row["name"], 2
        while name in taken or (name != row["name"] and name in names):
            name, number = f"{row['name'][: LONGEST - len(str(number)) - 1]}-{number}", number + 1
        taken.add(name)
        if name != row["name"]:
            db.table("tokens").update(row["id"], {"name": name})

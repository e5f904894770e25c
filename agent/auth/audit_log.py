"""The audit record: who did what, from where. Rows are only ever added; the oldest go by age, or when there are very many.

What somebody repeats within a minute is counted in one row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import cached_property, partial
from operator import attrgetter
from typing import Any

from agent.auth.audit_chain import KEY_PURPOSE, LOGIN_FAILED, ChainKey, Ends, Series
from agent.auth.journal_copy import write_to_journal
from agent.auth.person import Actor, Audit
from agent.errors.auth import TooManyChanges
from agent.model.pause import AHEAD
from agent.store import Store
from agent.store.instants import read_known, written

KEPT = timedelta(days=400)
MOST: Mapping[Series, int] = {Series.CHANGE: 100_000, Series.LOGIN: 20_000, Series.FAILED: 10_000}
"""Rows."""
REPEATED = timedelta(minutes=1)
"""What is repeated within this time is counted."""
MOST_FAILED = 20
"""Accounts and networks with failed logins at a time; what is beyond is counted as that of `OTHERS`."""
OTHERS = "others"
CHANGES_A_DAY = 5_000
"""Of one caller of the API: a row for each of them is kept for months."""
AGENT = Actor("agent", "")
COLUMNS = "id, at, who, address, action, subject, detail, times"
KEY = ("who", "address", "action", "subject", "detail")
SAME = " and ".join(f"{column} = :{column}" for column in KEY)


class AuditLog:
    """The tables `audits`, `audit_ends` and `audit_repeats`. Call what changes them inside `Store.write`."""

    def __init__(self, store: Store, most: Mapping[Series, int] = MOST) -> None:
        """`most`: rows of each series."""
        self._store = store
        self._most = most
        self._database = store.database

    @cached_property
    def key(self) -> ChainKey:
        """The key of the chain. Raises `StoreError` where there is no master key."""
        return ChainKey(self._store.sealer.derived(KEY_PURPOSE))

    def add(self, row: Audit) -> None:
        """Write a row down, or count it with one like it."""
        self.settle(row.at)
        given = self._values(row)
        if not self._count(given):
            self._append(given)
            self._put_repeats({**given, "since": given["at"], "times": 0})

    def note(self, actor: Actor | None, now: datetime, action: str, subject: str, detail: str = "") -> None:
        """Write down what `actor` does; None: it is written down elsewhere."""
        if actor is not None:
            self.add(Audit(now, actor.name, actor.address, action, subject, detail))

    def newest(self, limit: int) -> list[Audit]:
        """Return the newest rows, and repetitions that are being counted: the newest first."""
        query = "select *, rowid as id from audit_repeats where times > 0 order by at desc limit ?"
        counting = self._database.decoded("audit_repeats", _audit, query, [limit])
        query = f"select {COLUMNS} from audits order by id desc limit ?"  # noqa: S608
        rows = self._database.decoded("audits", _audit, query, [limit])
        return sorted(rows + counting, key=attrgetter("at"), reverse=True)[:limit] if counting else rows

    def check_rate(self, who: str, now: datetime) -> None:
        """Raise `TooManyChanges` for a caller whose changes would push those of others out of the record."""
        query = "select count(*), min(at) from audits where who = ? and at > ? and at <= ? and series = ?"
        day = timedelta(days=1)
        values = [who, written(now - day), written(now + AHEAD), Series.CHANGE]
        count, first = self._database.execute(query, values).fetchone()
        if count >= CHANGES_A_DAY:
            raise TooManyChanges(who, CHANGES_A_DAY, read_known(first) + day)

    def settle(self, now: datetime) -> None:
        """Make rows of the repetitions that have been counted for long enough."""
        query = "select * from audit_repeats where since <= ? or since > ?"
        for row in list(self._database.query(query, [written(now - REPEATED), written(now)])):
            self._database.execute(f"delete from audit_repeats where {SAME}", row)  # noqa: S608
            if row["times"] and row["mac"] == self.key.of_repeats(row):
                self._append(row)

    def prune(self, now: datetime) -> None:
        """Drop what is older than `KEPT`."""
        for series in Series:
            query = "select max(number) from audits where series = ? and at < ?"
            (last,) = self._database.execute(query, [series, written(now - KEPT)]).fetchone()
            if last is not None and (ends := self.ends(series)) is not None:
                self._sign(self._begin_after(ends, last))

    def ends(self, series: Series) -> Ends | None:
        """Return the ends of a series; None: nobody has signed any, or they were changed."""
        query = "select series, first, before, number, link, mac from audit_ends where series = ?"
        row = next(iter(self._database.query(query, [series])), None)
        if row is None:
            return None
        mac = row.pop("mac")
        ends = Ends(**row)
        return ends if mac == self.key.of_ends(ends) else None

    def rows(self, series: Series) -> Iterator[dict[str, Any]]:
        """Yield the rows of a series with their links, in their order."""
        query = f"select {COLUMNS}, series, number, link from audits where series = ? order by number, id"  # noqa: S608
        return self._database.query(query, [series])

    def last(self, series: Series) -> dict[str, Any] | None:
        """Return number and link of the last row of a series."""
        query = "select number, link from audits where series = ? order by number desc, id desc limit 1"
        return next(iter(self._database.query(query, [series])), None)

    def strays(self) -> Iterator[dict[str, Any]]:
        """Yield the rows that are in no series."""
        places = ", ".join("?" for _ in Series)
        query = f"select {COLUMNS}, series, number from audits where series is null or series not in ({places})"  # noqa: S608
        return self._database.query(query, list(Series))

    def chain(self, action: str, actor: Actor, now: datetime, detail: str) -> None:
        """Chain all rows as they are, and write down that this was done."""
        self._database.execute("delete from audit_ends")
        for series, rows in self._by_series().items():
            ends = Ends(series)
            for row in rows:
                ends = self._linked({**row, "series": series}, ends)
            self._sign(ends)
        self._append(self._values(Audit(now, actor.name, actor.address, action, "audit record", detail)))

    def _by_series(self) -> dict[Series, list[dict[str, Any]]]:
        found: dict[Series, list[dict[str, Any]]] = {series: [] for series in Series}
        for row in self._database.query(f"select {COLUMNS} from audits order by id"):  # noqa: S608
            found[Series.of(row["action"])].append(row)
        return found

    def _linked(self, row: Mapping[str, Any], ends: Ends) -> Ends:
        """Give a row that is there its number and its link."""
        after = ends.followed_by(self.key.link(ends.link, {**row, "number": ends.number + 1}))
        self._database.execute(
            "update audits set series = ?, number = ?, link = ? where id = ?",
            [after.series, after.number, after.link, row["id"]],
        )
        return after

    def _values(self, row: Audit) -> dict[str, Any]:
        given = {name: getattr(row, name) for name in (*KEY, "times")}
        given |= {"at": written(row.at), "series": Series.of(row.action)}
        return {**given, "who": OTHERS, "address": OTHERS} if self._is_beyond(given) else given

    def _is_beyond(self, given: Mapping[str, Any]) -> bool:
        if given["action"] != LOGIN_FAILED or self._repeats(given) is not None:
            return False
        query = "select count(*) from audit_repeats where action = ?"
        (count,) = self._database.execute(query, [LOGIN_FAILED]).fetchone()
        return int(count) >= MOST_FAILED

    def _count(self, given: Mapping[str, Any]) -> bool:
        """Count a row with one like it; False: there is none from just now."""
        known = self._repeats(given)
        if known is None or known["mac"] != self.key.of_repeats(known):
            return False
        self._put_repeats({**known, "at": given["at"], "times": known["times"] + given["times"]})
        return True

    def _repeats(self, given: Mapping[str, Any]) -> dict[str, Any] | None:
        query = f"select * from audit_repeats where {SAME}"  # noqa: S608
        return next(iter(self._database.query(query, given)), None)

    def _put_repeats(self, row: Mapping[str, Any]) -> None:
        self._database.execute(
            "insert or replace into audit_repeats (who, address, action, subject, detail, series, since, at, times, mac)"
            " values (:who, :address, :action, :subject, :detail, :series, :since, :at, :times, :mac)",
            {**row, "mac": self.key.of_repeats(row)},
        )

    def _append(self, given: Mapping[str, Any]) -> None:
        series = Series(given["series"])
        ends = self.ends(series) or self._first_ends(series, read_known(given["at"]))
        row = {**given, "number": ends.number + 1}
        after = ends.followed_by(self.key.link(ends.link, row))
        self._database.execute(
            "insert into audits (at, who, address, action, subject, detail, times, series, number, link)"
            " values (:at, :who, :address, :action, :subject, :detail, :times, :series, :number, :link)",
            {**row, "link": after.link},
        )
        beyond = after.number - self._most[series]
        self._sign(self._begin_after(after, beyond) if beyond >= after.first else after)
        if series is not Series.FAILED:  # of those there is one line a minute
            self._store.after_commit.append(partial(write_to_journal, self._store.layout, row, after.link))

    def _first_ends(self, series: Series, now: datetime) -> Ends:
        """Return where a series begins that has no ends, or whose ends were changed.

        Rows of an earlier version are chained as they are. Where ends were removed or changed, what follows begins a new chain,
        and the rows before it stay as faults.
        """
        if self.chain_earlier(now):
            return self.ends(series) or Ends(series)
        last = self.last(series)
        number = last["number"] if last and isinstance(last["number"], int) else 0
        return Ends(series, first=number + 1, number=number)

    def chain_earlier(self, now: datetime) -> bool:
        """Chain the rows of an earlier version; False: there are none."""
        rows = self.unchained()
        if rows:
            self.chain("record chained", AGENT, now, f"{rows} rows of an earlier version")
        return bool(rows)

    def unchained(self) -> int:
        """Return how many rows an earlier version has left, as long as nothing is chained."""
        query = "select count(series), count(*), (select count(*) from audit_ends) from audits"
        chained, rows, ends = self._database.execute(query).fetchone()
        return 0 if chained or ends else int(rows)

    def _begin_after(self, ends: Ends, last: int) -> Ends:
        """Drop the rows of a series up to one."""
        query = "select link from audits where series = ? and number = ?"
        row = self._database.execute(query, [ends.series, last]).fetchone()
        if row is None:  # it was removed by somebody else: verifying says so
            return ends
        self._database.execute("delete from audits where series = ? and number <= ?", [ends.series, last])
        return Ends(ends.series, last + 1, row[0], ends.number, ends.link)

    def _sign(self, ends: Ends) -> None:
        values = [ends.series, ends.first, ends.before, ends.number, ends.link, self.key.of_ends(ends)]
        self._database.execute(
            "insert or replace into audit_ends (series, first, before, number, link, mac) values (?, ?, ?, ?, ?, ?)",
            values,
        )


def _audit(row: Mapping[str, Any]) -> Audit:
    return Audit(
        read_known(row["at"]),
        row["who"],
        row["address"],
        row["action"],
        row["subject"],
        row["detail"],
        int(row["times"]),
    )

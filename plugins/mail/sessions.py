"""What a reload does to the sessions of mail, from what `dovecot_sessions.py` prints. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from chainwright import Consequence

NAMED = 20
"""Users that are named one by one; there may be thousands."""


@dataclass(frozen=True, slots=True)
class Observed:
    """dovecot as it runs."""

    live: str = ""
    """``shutdown_clients`` of the last reload that it took: "yes", "no", "unknown"; empty: it doesn't run."""
    file: str = ""
    """The same setting as its files have it now; empty: they can't be read."""
    add: str = ""
    """The administrator's main file, to which the setting would be added; empty: the main file is the agent's."""
    users: tuple[tuple[str, int], ...] = ()
    """Users with the number of their sessions."""

    @property
    def cut(self) -> bool:
        """Whether the next reload ends the sessions: the live value decides, and where it isn't known the files'."""
        return self.live == "yes" or (self.live == "unknown" and self.file != "no")

    @property
    def cut_once(self) -> bool:
        """Whether only the next reload does, as it brings in what keeps them."""
        return self.cut and self.file == "no"

    @property
    def number(self) -> int:
        """How many sessions there are."""
        return sum(number for _, number in self.users)


def observed_in(text: str) -> Observed:
    """Return what was printed."""
    values: dict[str, str] = {}
    users: dict[str, int] = {}
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if word == "session":
            number, _, user = rest.partition(" ")
            users[user] = users.get(user, 0) + int(number)
        else:
            values[word] = rest
    return Observed(values.get("live", ""), values.get("file", ""), values.get("add", ""), tuple(sorted(users.items())))


def dropped(observed: Observed) -> Consequence | None:
    """Say whose sessions the next reload ends; None: nobody's."""
    if not observed.cut:
        return None
    why = f"dovecot runs with shutdown_clients = yes and ends every session when it is reloaded{_cure(observed)}"
    if not observed.users:
        return Consequence(f"Nobody is connected to dovecot; {why}.", severity="info")
    names = [user for user, _ in observed.users]
    more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    what = "1 mail session drops" if observed.number == 1 else f"{observed.number} mail sessions drop"
    return Consequence(f"{what} ({', '.join([*names[:NAMED], *more])}); {why}.", severity="outage")


def _cure(observed: Observed) -> str:
    if observed.cut_once:
        return "; this reload is the last one that does, as it brings in shutdown_clients = no"
    return (
        f"; to keep them from the second reload on, add to {observed.add}: shutdown_clients = no"
        if observed.add
        else ""
    )

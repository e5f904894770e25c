"""MTA-STS policies (RFC 8461): which hosts a domain's mail is delivered to, and by certificates of public authorities alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from agent.model.pause import Pause
from agent.system.names import covers, is_address, parse_name

MODES = frozenset({"enforce", "testing", "none"})
MAX_AGE = re.compile(r"[0-9]{1,10}")
LONGEST_POLICY = timedelta(days=1)
"""Between two looks at a policy."""
MOST_HOSTS = 100


@dataclass(frozen=True, slots=True)
class PolicyLook:
    """Policy of a domain, as it was last."""

    domain: str
    mode: str = ""
    """enforce, testing or none; empty: it isn't known."""
    hosts: tuple[str, ...] = ()
    """Names of MX hosts, or wildcards."""
    asked_at: datetime | None = None
    next_at: datetime | None = None
    problem: str = ""
    """Why it could not be had last, a clause."""

    @property
    def pause(self) -> Pause:
        """Pause before it is looked at again."""
        return Pause(self.asked_at, self.next_at, LONGEST_POLICY)

    @property
    def url(self) -> str:
        """Where it is (RFC 8461 section 3.3)."""
        return policy_url(self.domain)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        asked, following = (at.isoformat() if at else None for at in (self.asked_at, self.next_at))
        row = {"domain": self.domain, "mode": self.mode, "hosts": list(self.hosts), "problem": self.problem}
        return {**row, "asked_at": asked, "next_at": following}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Read what `to_json` made. Raises ValueError, TypeError, KeyError."""
        asked, following = (datetime.fromisoformat(row[key]) if row[key] else None for key in ("asked_at", "next_at"))
        hosts = tuple(str(each) for each in row["hosts"])
        return cls(str(row["domain"]), str(row["mode"]), hosts, asked, following, str(row["problem"]))


def policy_url(domain: str) -> str:
    """Return where a domain's policy is."""
    return f"https://mta-sts.{domain}/.well-known/mta-sts.txt"


def parse_policy(text: str) -> tuple[str, tuple[str, ...]]:
    """Return the mode of a policy and its hosts (RFC 8461 section 3.2). Raises ValueError with a clause."""
    pairs = [(key.strip(), value.strip()) for key, _, value in (line.partition(":") for line in text.split("\n"))]
    first = dict(reversed(pairs))  # of several, all but the first are left out, but for mx
    if first.get("version") != "STSv1":
        raise ValueError("it does not begin with version: STSv1")
    mode = first.get("mode", "")
    if mode not in MODES:
        raise ValueError("its mode is none of enforce, testing and none")
    if not MAX_AGE.fullmatch(first.get("max_age", "")):
        raise ValueError("it has no max_age, a number of seconds")
    hosts = tuple(_host(value) for key, value in pairs if key == "mx")[:MOST_HOSTS]
    if not hosts and mode != "none":
        raise ValueError("it names no mx")
    return mode, hosts


def _host(text: str) -> str:
    try:
        name = parse_name(text)
    except ValueError as error:
        raise ValueError("an mx of it is no host name") from error
    if is_address(name):
        raise ValueError("an mx of it is an address")
    return name


def is_covered(host: str, names: tuple[str, ...]) -> bool:
    """Whether a chain with `names` may be of an MX that a policy names: itself, or one of those that its wildcard is for."""
    return any(covers(name, host) or covers(host, name) for name in names)

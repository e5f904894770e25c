"""Rows of the two tables, made from the agent's status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chainwright import is_address, is_public
from plugins.webui.catalogue import Texts

MARKS = {
    "expired": "bad",
    "ending": "bad",
    "failed": "bad",
    "missing": "bad",
    "not_deployed": "bad",
    "overdue": "warn",
    "local_fallback": "warn",
    "warning": "warn",
    "waiting": "wait",
    "issuing": "busy",
    "local_by_design": "good",
    "valid": "good",
    "unused": "off",
}
"""Status -> the shape and colour beside its word."""
RETRIED = frozenset({"not_deployed", "missing", "expired", "ending", "overdue", "failed", "local_fallback"})
"""What "try now" may help with."""
USE_MARKS = {
    "live": "good",
    "unseen": "warn",
    "waiting": "wait",
    "refused": "bad",
    "rolled_back": "bad",
    "broken": "bad",
}
SEVERITY_MARKS = {"error": "bad", "warning": "warn", "notice": "wait"}
OF_CHAINS = frozenset({"chain", "upload"})
SHOWN_NAMES = 2
LETS_ENCRYPT = "Let's Encrypt"
OF_NO_CA = frozenset({"uploaded", "local", "root"})
"""Sources whose chains nobody was asked for."""
RECENT = timedelta(days=1)

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Use:
    """Module that uses a chain."""

    title: str
    slot: str
    mark: str
    word: str
    served: str
    """What its endpoints present, in words; empty where they present this chain."""
    is_one_of_several: bool = False
    """Whether the module uses the chain in other slots too."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that the agent found beside the chains: their rows tell what is about them."""

    name: str
    subject: str
    heading: str
    mark: str
    problem: Json


@dataclass(frozen=True, slots=True)
class Row:
    """Row with a chain, one use of it, or a need without a chain."""

    id: str
    """Empty: there is no chain."""
    anchor: str
    status: str
    mark: str
    label: str
    names: tuple[str, ...]
    source: str
    issuer: str
    not_after: str | None
    uses: tuple[Use, ...]
    note: str
    problem: Json | None
    next_at: str | None
    made_by_ca_at: datetime | None
    step: str = ""
    """What the source that is being asked does, in a sentence."""
    progress: Json | None = None

    @property
    def shown_names(self) -> tuple[str, ...]:
        """Return the names that have room."""
        return self.names[:SHOWN_NAMES]

    @property
    def further_names(self) -> int:
        """Return how many have not."""
        return max(0, len(self.names) - SHOWN_NAMES)

    def recent(self, now: datetime) -> bool:
        """Whether a CA made it so short a time ago that another one should be asked for with care."""
        return self.made_by_ca_at is not None and now < self.made_by_ca_at + RECENT

    @property
    def busy(self) -> bool:
        """Whether it is worth looking again soon."""
        return self.status == "issuing"

    @property
    def can_retry(self) -> bool:
        """Whether trying now may help."""
        return self.status in RETRIED

    @property
    def needs_root(self) -> bool:
        """Whether clients see a warning unless they have the root."""
        return self.status == "local_fallback"


class Table:
    """Table whose rows are in one language."""

    def __init__(self, texts: Texts, modules: Sequence[Json]) -> None:
        self._texts = texts
        self._titles = {str(each["name"]): str(each["title"]) for each in modules}

    def rows(self, found: Sequence[Json]) -> list[Row]:
        """Return the rows of a page of the status."""
        return [self._row(each) for each in found]

    def findings(self, found: Sequence[Json]) -> list[Finding]:
        """Return the findings that no row tells: neither about a chain, nor about a need without one."""
        return [
            Finding(
                *(each["title"] or each["subject"], each["subject"], self._heading(each)),
                *(SEVERITY_MARKS[each["severity"]], each["problem"]),
            )
            for each in found
            if each["kind"] not in OF_CHAINS and "/" not in each["subject"]
        ]

    def _heading(self, finding: Json) -> str:
        name = finding["title"] or self.title(finding["subject"])
        return self._texts(f"subject.{finding['kind']}", name=name)

    def _row(self, found: Json) -> Row:
        need, chain, use = found["need"], found["chain"], found["use"]
        return self._missing(need) if need else self.chain(chain, [use] if use else chain["used_by"], use)

    def _missing(self, need: Json) -> Row:
        return Row(
            id="",
            anchor=f"need-{need['module']}-{need['slot']}",
            status="missing",
            mark=MARKS["missing"],
            label=self._texts("status.missing"),
            names=tuple(need["names"]),
            source="",
            issuer="",
            not_after=None,
            uses=(Use(self.title(need["module"]), need["slot"], "bad", self._texts("use.none"), ""),),
            note="",
            problem=need["problem"],
            next_at=(need["problem"] or {}).get("retry_at"),
            made_by_ca_at=None,
        )

    def chain(self, chain: Json, uses: Sequence[Json], one: Json | None = None) -> Row:
        """Return the row of a chain; `one`: the use that the row shows."""
        status = str(chain["status"])
        place = f"-{one['module']}-{one['slot']}" if one else ""
        return Row(
            id=chain["id"],
            anchor=f"chain-{chain['id'][:16]}{place}",
            status=status,
            mark=MARKS.get(status, "off"),
            label=self._texts.named("status", status),
            names=_hosts_first(chain["names"]),
            source=self._source(chain),
            issuer=chain["issuer"],
            not_after=chain["not_after"],
            uses=tuple(self._use(chain, each, uses) for each in uses),
            note=self._note(chain),
            problem=chain["problem"],
            next_at=chain["next_action_at"],
            made_by_ca_at=datetime.fromisoformat(chain["not_before"]) if _is_of_a_ca(chain) else None,
            step=self._step(chain["progress"]),
            progress=chain["progress"],
        )

    def title(self, module: str) -> str:
        """Return what people call a module."""
        return self._titles.get(module, module)

    def _source(self, chain: Json) -> str:
        """Return where a chain came from; a CA that everybody knows is called by its name."""
        if chain.get("authority"):
            return str(chain["authority"])
        known = _is_of_a_ca(chain) and LETS_ENCRYPT in chain["issuer"]
        return self._texts("source.lets_encrypt") if known else self._texts.named("source", chain["source"])

    def _step(self, progress: Json | None) -> str:
        if progress is None:
            return ""
        source = self._texts.named("source", progress["source"])
        return self._texts(
            "progress.step" if progress["step"] else "progress.begun", source=source, step=progress["step"]
        )

    def _note(self, chain: Json) -> str:
        """Return the second line of a row that has no problem to tell."""
        if chain["problem"]:
            return ""
        status = chain["status"]
        if status == "local_by_design":
            return self._texts(f"note.local_by_design.{_why_local(chain)}")
        return self._texts.rows.get(f"note.{status}", "")

    def _use(self, chain: Json, use: Json, uses: Sequence[Json]) -> Use:
        deployment = use["deployment"]
        others = [] if deployment == "waiting" else [each for each in use["endpoints"] if not _same(chain, each)]
        served = "; ".join(self._served(chain, each) for each in others)
        mark = USE_MARKS.get(str(deployment), "wait")
        if served and mark == "good":
            mark = "warn"
        word = self._texts.named("deployment", deployment or "none")
        several = sum(each["module"] == use["module"] for each in uses) > 1
        return Use(self.title(use["module"]), use["slot"], mark, word, served, several)

    def _served(self, chain: Json, endpoint: Json) -> str:
        what = "another" if endpoint["served_sha256"] else "nothing"
        where = f"{endpoint['address']} {endpoint['server_name']}".rstrip()
        return self._texts(f"served.{what}", where=where)


def _same(chain: Json, endpoint: Json) -> bool:
    return bool(endpoint["served_sha256"] == chain["sha256"])


def _is_of_a_ca(chain: Json) -> bool:
    return chain["source"] not in OF_NO_CA


def _hosts_first(names: list[str]) -> tuple[str, ...]:
    return tuple(sorted(names, key=is_address))


def _why_local(chain: Json) -> str:
    """Return why no other source serves: no authority certifies such names, or none was to be asked, as the bindings say."""
    if any(is_address(name) for name in chain["names"]):
        return "address"
    declined = any(_declined(use["reason"]) for use in chain["used_by"])
    if declined and any("is a wildcard" in use["reason"] for use in chain["used_by"]):
        return "record" if any("acme persist" in use["reason"] for use in chain["used_by"]) else "wildcard"
    return "name" if declined and not all(map(is_public, chain["names"])) else "policy"


def _declined(reason: str) -> bool:
    """Whether the reason of a binding names a source that would not serve: "local by design: acme: ..."."""
    return reason.count(": ") > 1

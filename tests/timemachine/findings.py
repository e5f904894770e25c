"""What the agent says, compared with what is so: each finding has a reason, and what is not well is said of its own subject."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatch

from agent.model.finding import Finding, Severity, SubjectKind
from timemachine.oracle import UPLOADED, Oracle

UPLOAD_TOLD = timedelta(days=31)
"""An upload is spoken of no earlier before its end."""


@dataclass(frozen=True)
class Fact:
    """One thing that is not well, and about what it has to be told."""

    key: str
    """Of `SAID_OF`."""
    what: str
    """For people."""
    chain: str = ""
    """Id of the chain that serves."""
    module: str = ""
    names: Sequence[str] = ()

    def is_told_by(self, finding: Finding) -> bool:
        """Whether a finding tells it: by its code, and of the chain or the module that it is about."""
        code = finding.problem.code
        if self.key == "expired" and finding.severity is not Severity.ERROR:
            return False
        if any(fnmatch(code, pattern) for pattern in ABOUT_ALL.get(self.key, ())):
            return True
        return any(fnmatch(code, pattern) for pattern in SAID_OF.get(self.key, ())) and self._is_about(finding)

    def _is_about(self, finding: Finding) -> bool:
        if finding.kind in (SubjectKind.MODULE, SubjectKind.ENDPOINT):
            return finding.subject.partition("/")[0] == self.module
        return finding.subject == self.chain or not {*self.names}.isdisjoint(names_of(finding))


@dataclass
class FindingsOracle:
    """Judgement of what the agent says in one run."""

    oracle: Oracle
    served: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Module -> the names that it serves."""

    def judge(self, at: datetime, findings: Iterable[Finding], facts: Iterable[Fact]) -> None:
        """Compare what the agent says with what is so."""
        degrading = [each for each in findings if each.severity.degrades]
        for each in degrading:
            if not self._is_true(each, at):
                who = each.title or each.subject[:24]
                self.oracle.tell(at, "false", f"{each.problem.code} of {each.kind} {who}: {each.problem.cause}")
        for fact in facts:
            if not any(fact.is_told_by(each) for each in degrading):
                said = ", ".join(sorted({each.problem.code for each in degrading})) or "nothing"
                self.oracle.tell(at, "missing", f"{fact.key} {fact.what}: only {said} is said")

    def _is_true(self, finding: Finding, at: datetime) -> bool:
        if not self._fits(finding, at):
            return False
        kinds = [kind for pattern, kind in BECAUSE_OF if fnmatch(finding.problem.code, pattern)]
        names = self._names(finding)
        return any(self.oracle.active(at, *each, names=names) for each in kinds)

    def _fits(self, finding: Finding, at: datetime) -> bool:
        """Whether what a finding says of a chain's end is so."""
        end = self.oracle.end_of(finding.subject)
        if end is None:
            return True
        if finding.problem.code in ("status.expired", "status.upload_ended"):
            return end <= at
        if finding.problem.code.startswith("status.upload_"):
            return self.oracle.authorities[UPLOADED].known(finding.subject) is not None and end - at < UPLOAD_TOLD
        return True

    def _names(self, finding: Finding) -> Sequence[str]:
        """Return the names that a finding is about; none: about everything."""
        if names := names_of(finding):
            return names
        if finding.kind in (SubjectKind.MODULE, SubjectKind.ENDPOINT):
            return self.served.get(finding.subject.partition("/")[0], ())
        return ()


def names_of(finding: Finding) -> list[str]:
    """Return the names of the chain that a finding is about; none: it is about something else."""
    of_chain = finding.kind in (SubjectKind.CHAIN, SubjectKind.UPLOAD)
    return [each.split(" and ")[0] for each in finding.title.split(", ")] if of_chain and finding.title else []


SERVICES = "stopped", "refuses", "deaf", "module_raises", "power", "restored", "full", "killed"
SOURCES = "away", "limited", "raises", "ladder", "full", "restored", "power", "suspended"
BECAUSE_OF = (
    ("source.*", SOURCES),
    ("plugin.*", ("raises", "module_raises")),
    ("status.local_fallback", (*SOURCES, *SERVICES, "upload", "site")),
    ("status.overdue", (*SOURCES, *SERVICES)),
    ("status.ends_soon", (*SOURCES, *SERVICES)),
    ("status.upload_*", ("upload",)),
    ("deploy.*", SERVICES),
    ("status.not_deployed", SERVICES),
    ("status.module", SERVICES),
    ("status.disk", ("full",)),
    ("status.old_evidence", SERVICES),
    ("status.expired", ("full", "power", "suspended", "refuses", "deaf", "module_raises")),
    ("status.revoked", ("revoked",)),
    ("status.clock*", ("boot_past", "boot_ahead", "leap")),
)
"""Code of a finding -> kinds of disturbances for which it may be said."""
DEPLOYING = "deploy.*", "plugin.*", "status.module", "status.not_deployed"
SAID_OF = {
    "expired": ("status.expired", *DEPLOYING),
    "fallback": (
        "status.local_fallback",
        "source.*",
        "status.overdue",
        "status.upload_*",
        "status.ends_soon",
        "status.revoked",
        *DEPLOYING,
    ),
    "stopped": ("deploy.*", "status.*", "plugin.*"),
    "broken": ("plugin.*", "deploy.*"),
    "upload": ("status.upload_*",),
    "overdue": ("status.overdue", "status.ends_soon", "source.*", "status.local_fallback", *DEPLOYING),
    "held": (*DEPLOYING, "status.local_fallback", "status.overdue", "status.ends_soon", "source.*", "status.revoked"),
}
"""Fact -> codes of which at least one has to be said of its subject."""
ABOUT_ALL = {"clock": ("status.clock",), "raises": ("plugin.*",)}
"""Fact -> codes of which one has to be said, whatever the subject."""

"""Findings about MTA-STS policies (RFC 8461) that don't fit what mail serves. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from agent.errors.problem import Problem
from agent.errors.wording import few
from agent.model.finding import Finding, Severity, SubjectKind
from agent.model.mta_sts import PolicyLook, is_covered
from agent.model.need import Need
from agent.model.records import ChainRecord
from agent.pki.judgement import INCOMPLETE


def of_policies(
    needs: Sequence[Need], policies: Mapping[str, PolicyLook], chains: Mapping[tuple[str, str], ChainRecord]
) -> Iterator[Finding]:
    """Yield, for each domain of a module, what its policy says that doesn't hold. `chains`: what is served, by need."""
    for module, domain in dict.fromkeys((need.module, each) for need in needs for each in need.mta_sts):
        look = policies.get(domain) or PolicyLook(domain)
        if look.problem:
            yield _finding(module, domain, Severity.NOTICE, not_had(look))
        if look.mode in {"enforce", "testing"}:
            own = [(need, chains[need.key]) for need in needs if need.module == module and need.key in chains]
            yield from _of_policy(module, look, own)


def _of_policy(module: str, look: PolicyLook, own: Sequence[tuple[Need, ChainRecord]]) -> Iterator[Finding]:
    enforced = look.mode == "enforce"
    bare = [host for host in look.hosts if not any(is_covered(host, record.names) for _, record in own)]
    if bare:
        yield _finding(
            module, look.domain, _severity(Severity.WARNING, enforced=enforced), uncovered(module, look, bare)
        )
    meant = [pair for pair in own if any(is_covered(host, pair[1].names) for host in look.hosts)]
    private = [f"{need.module}/{need.slot}" for need, record in meant if not _is_public(record)]
    if private:
        severity = _severity(Severity.ERROR, enforced=enforced)
        yield _finding(module, look.domain, severity, not_public(look, private))


def _severity(severity: Severity, *, enforced: bool) -> Severity:
    """While a policy is being tested, mail is delivered all the same."""
    return severity if enforced else Severity.NOTICE


def _is_public(record: ChainRecord) -> bool:
    return record.root is None and INCOMPLETE not in {each.code for each in record.warnings}


def _finding(module: str, domain: str, severity: Severity, problem: Problem) -> Finding:
    return Finding(SubjectKind.MODULE, f"{module}/{domain}", severity, problem, title=f"MTA-STS of {domain}")


def not_had(look: PolicyLook) -> Problem:
    """Say that a policy can't be had."""
    cause = f"The MTA-STS policy of {look.domain} can't be had from {look.url}: {look.problem}."
    fix = "Correct it, or take the domain out of mta_sts in the settings of the module."
    return Problem("status.mta_sts_not_had", cause, fix=fix, retry_at=look.next_at)


def uncovered(module: str, look: PolicyLook, hosts: Sequence[str]) -> Problem:
    """Say that a policy names hosts that no chain covers."""
    cause = (
        f"The MTA-STS policy of {look.domain} (mode {look.mode}) names {few(hosts)}, for which {module} serves no chain: "
        "servers that go by it don't deliver there, where that is this server."
    )
    fix = f"Add it to the domains of [modules.{module}], or take it out of {look.url}"
    return Problem("status.mta_sts_uncovered", cause, fix=fix)


def not_public(look: PolicyLook, slots: Sequence[str]) -> Problem:
    """Say that a policy names hosts whose chain is of no public authority."""
    cause = (
        f"The MTA-STS policy of {look.domain} (mode {look.mode}) is about {few(slots)}, and what is served there is of no public "
        "authority: servers that go by it don't deliver to it."
    )
    fix = f"See why it has no chain of a public authority: chainwright explain {slots[0].replace('/', ' ')}"
    return Problem("status.mta_sts_not_public", cause, fix=fix)

"""Whether a name can be proved at all by the challenges that the settings allow. Pure: nobody is asked."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from agent.sources.acme.challenges.challenge_type import CONNECTING, ChallengeType
from agent.system.names import WILDCARD, is_address, is_wildcard

if TYPE_CHECKING:
    from agent.contract.source import RequestState

DNS = (ChallengeType.DNS_01, ChallengeType.DNS_PERSIST_01)


def why_not_provable(
    name: str, challenges: Collection[ChallengeType], state: RequestState, *, persist: bool = True
) -> str:
    """Return a clause that says why none of `challenges` can prove a canonical name, and what helps; empty: one can.

    `persist`: whether it is certain that the CA takes dns-persist-01, so that a record may be advised.
    """
    connecting = not is_wildcard(name) and not CONNECTING.isdisjoint(challenges)
    if connecting or _by_dns(name, challenges, state):
        return ""
    if is_address(name):
        return (
            f"{name} is an address, which only {' or '.join(sorted(CONNECTING))} proves: add one of them to challenges"
        )
    what = "is a wildcard, which only DNS proves" if is_wildcard(name) else "is to be proved by DNS (challenges)"
    return f"{name} {what}: {_cure(name, challenges, state, persist)}"


def _by_dns(name: str, challenges: Collection[ChallengeType], state: RequestState) -> bool:
    if ChallengeType.DNS_01 in challenges and not is_address(name):
        domain = f".{name.removeprefix(WILDCARD)}"
        if any(not zone or domain.endswith(f".{zone}") for zone in state.dns_zones):
            return True
    return ChallengeType.DNS_PERSIST_01 in challenges and name in state.persistent


def _cure(name: str, challenges: Collection[ChallengeType], state: RequestState, persist: bool) -> str:
    table = "add [dns.NAME] for its zone"
    if state.dns_zones:
        domain = name.removeprefix(WILDCARD)
        table = f"add its zone to those of a [dns.NAME], even if _acme-challenge.{domain} is an alias into another zone"
    record = f"set the record that `chainwright acme persist '{name}'` shows"
    cures = [
        cure for type_, cure in ((DNS[0], table), (DNS[1], record if persist else "")) if cure and type_ in challenges
    ]
    return ", or ".join(cures) or f"add {' or '.join(DNS)} to challenges"

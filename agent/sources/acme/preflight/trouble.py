"""Servers that don't answer as they should: seldom certain to fail, always worth a word."""

from __future__ import annotations

from agent.dns.answer import plain
from agent.dns.exchange import Unanswered
from agent.errors.acme import AGAIN
from agent.sources.acme.preflight.findings import Finding, listed

TOP_LEVEL = 2
"""Labels of a top-level domain, with the root's empty one."""
UNANSWERED = frozenset({"name_servers", "cut_off", "resolver", "servfail", "dnssec", "unchecked"})
"""Codes of findings that say that somebody gave no answer."""
REACHABLE = "Look whether all of them answer over UDP and TCP port 53 from the internet"


def is_cut_off(error: Unanswered) -> bool:
    """Whether it's this network that keeps us from the name servers: not even those of a top-level domain answer."""
    return error.zone is not None and len(error.zone) <= TOP_LEVEL


def of_authority(name: str, error: Unanswered) -> Finding:
    """Return that a zone's own servers gave no answer."""
    if not error.lasting:
        return unchecked(name, error)
    if error.zone is None or is_cut_off(error):
        cause = f"The DNS could not be asked past this network's resolvers: {error}. What they say was believed."
        return Finding(
            "", "cut_off", cause, "Let this machine's questions out to port 53, over UDP and TCP.", note=True
        )
    cause = f"The name servers of {_servers(error)} do not answer for {name}: {error}."
    return Finding(name, "name_servers", cause, f"{REACHABLE}, {AGAIN}")


def of_caa(name: str, error: Unanswered) -> Finding:
    """Return that nobody says whether there are CAA records."""
    if not error.lasting:
        return unchecked(name, error)
    who = f"the name servers of {_servers(error)}" if error.zone is not None else "this network's resolvers"
    cause = f"Whether CAA records allow the CA to issue for {name} can't be found out from {who}: {error}."
    return Finding(name, "caa_unanswered", cause, f"{REACHABLE}, because CAs take that for a refusal, {AGAIN}")


def of_resolvers(name: str, error: Unanswered, servers: tuple[str, ...]) -> Finding:
    """Return that this network's resolvers gave no answer."""
    if not error.lasting:
        return unchecked(name, error)
    if error.rcode is None:
        cause = f"This network's resolvers ({listed(servers)}) do not answer."
        return Finding(
            "", "resolver", cause, f"Correct /etc/resolv.conf, or name others as resolvers in [acme], {AGAIN}"
        )
    if error.bogus:
        cause = f"The DNSSEC signatures of {name} are not good: this network's resolvers refuse to answer, and CAs do as well."
        return Finding(
            name, "dnssec", cause, f"Sign the zone again, or take its DS record out of the zone above, {AGAIN}"
        )
    cause = f"This network's resolvers can't resolve {name}, and CAs may fare alike: {error}."
    return Finding(name, "servfail", cause, f"Look whether all name servers of its zone answer, {AGAIN}")


def unchecked(name: str, error: Unanswered) -> Finding:
    """Return that something was not found out."""
    return Finding(
        name,
        "unchecked",
        f"{name or 'The names'} could not be checked: {error}.",
        "The CA is asked all the same.",
        note=True,
    )


def _servers(error: Unanswered) -> str:
    zone = plain(error.zone) if error.zone is not None else ""
    return f"{zone} ({listed(error.hosts)})" if error.hosts else zone

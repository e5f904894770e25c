"""Questions about TLSA records and MTA-STS policies that are due. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from agent.model.need import Need
from agent.planning.actions import AskDns, AskPolicies
from agent.planning.state import State


class TlsaQuestions:
    """Gathers the names whose records are to be asked for."""

    def __init__(self, needs: Iterable[Need], state: State, now: datetime) -> None:
        self.instants: list[datetime] = []
        """When others are."""
        due = []
        for owner in sorted(
            {each for need in needs for each in need.tlsa} if state.asks_dns and state.doubt is None else ()
        ):
            look = state.tlsa.get(owner)
            if look is not None and look.pause.until is not None and look.pause.holds(now):
                self.instants.append(look.pause.until)
            else:
                due.append(owner)
        self.due = [AskDns(tuple(due))] if due else []


class PolicyQuestions:
    """Gathers the domains whose MTA-STS policies are to be looked at."""

    def __init__(self, needs: Iterable[Need], state: State, now: datetime) -> None:
        self.instants: list[datetime] = []
        """When others are."""
        due = []
        for domain in sorted({each for need in needs for each in need.mta_sts} if state.doubt is None else ()):
            look = state.policies.get(domain)
            if look is not None and look.pause.until is not None and look.pause.holds(now):
                self.instants.append(look.pause.until)
            else:
                due.append(domain)
        self.due = [AskPolicies(tuple(due))] if due else []

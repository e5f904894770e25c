"""What is served isn't what should be, or nothing shows what is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.errors.deploy import RENEW, DeployError
from agent.errors.wording import short

if TYPE_CHECKING:
    from datetime import datetime

RELOADED = f"Look whether the service was reloaded, {RENEW}"
WHOLE_CHAIN = f"Look whether its configuration names the file with the whole chain, {RENEW}"


class ProbeFailed(DeployError):
    """An endpoint gave no answer, or the layer above TLS is dead."""

    code = "deploy.probe_failed"
    cause = "{endpoint} gives no proper answer: {reason}."
    where = "{endpoint}"
    fix = f"Look at the service's log, {RENEW}"
    endpoint: str
    reason: str
    dead: bool = False
    """Nobody listens there: the service may not run."""


class NewSessionsFail(ProbeFailed):
    """An endpoint serves nobody who comes, while sessions that are up may go on: its service is not reloaded for it."""

    code = "deploy.new_sessions_fail"
    effect = "Nobody can connect; who is connected may go on."


class ServiceStopped(DeployError):
    """Nobody listens any more at an endpoint that has served: something else than a service that was never started."""

    code = "deploy.service_stopped"
    cause = "Nothing listens at {address} since {since:time}; it served at {served_at:time}."
    where = "{endpoint}"
    effect = "Clients get no answer."
    fix = "See why it ended, and start it: {advice}"
    endpoint: str
    address: str
    since: datetime
    """The first look that found it so."""
    served_at: datetime
    """The last look at which it served what it should."""
    advice: str


class OtherCertificate(DeployError):
    """An endpoint presents a certificate that was never deployed to it: something else answers at our port."""

    code = "deploy.other_certificate"
    cause = (
        'Somebody else\'s certificate is served at {address}: "{subject}", issued by "{issuer}", valid until {until:time}'
        "{listener:?; % listens there}."
    )
    where = "{endpoint}"
    fix = "{look} and end it or give it another port, then: {advice}"
    endpoint: str
    address: str
    subject: str
    issuer: str
    until: datetime
    listener: str
    """The process, where it can be told."""
    port: int
    advice: str

    @property
    def look(self) -> str:
        """How to see who it is; without a port it is at a UNIX socket."""
        return (
            f"Look who listens (ss -ltnp sport = :{self.port})" if self.port else f"Look who listens at {self.address}"
        )


class WrongChainServed(DeployError):
    """An endpoint answers, but with another chain: SHA-256 fingerprints of leaf and intermediates, as they are sent."""

    code = "deploy.wrong_chain"
    cause = "{endpoint} serves {difference}."
    where = "{endpoint}"
    fix = "{cure}"
    endpoint: str
    served: tuple[str, ...]
    expected: tuple[str, ...]

    @property
    def difference(self) -> str:
        """What is served, and instead of what."""
        served, expected = ([short(each) for each in chain] for chain in (self.served, self.expected))
        if not served:
            return f"no certificate instead of the chain {expected[0]}"
        if served[0] != expected[0]:
            return f"the chain {served[0]} instead of {expected[0]}"
        if len(served) == 1:
            return f"the chain {served[0]} without its intermediates"
        wanted = ", ".join(expected[1:]) or "none"
        return f"the chain {served[0]} with the intermediates {', '.join(served[1:])} instead of {wanted}"

    @property
    def cure(self) -> str:
        """What to do: another one where the leaf is right."""
        return WHOLE_CHAIN if self.served[:1] == self.expected[:1] else RELOADED


class WrongGeneration(DeployError):
    """An endpoint serves the chain, but its service still runs an older configuration; `served` None: it shows none."""

    code = "deploy.wrong_generation"
    cause = "{endpoint}: the service {difference} {expected}."
    where = "{endpoint}"
    fix = RELOADED
    endpoint: str
    served: int | None
    expected: int

    @property
    def difference(self) -> str:
        """What is served, and instead of what."""
        if self.served is None:
            return "doesn't tell its generation; it should be"
        return f"runs generation {self.served} instead of"


class NotConfirmed(DeployError):
    """A service that was reloaded still doesn't run the new configuration, as the module's or the service's own command says."""

    code = "deploy.not_confirmed"
    cause = "The service doesn't run the new configuration, says {program}: {reason:clause}."
    where = "{service}"
    fix = f"Look at the service's log, {RENEW}"
    service: str
    program: str
    reason: str
    detail: str


class NotSeen(DeployError):
    """A configuration was switched to and the service reloaded, but nothing shows that it runs it."""

    code = "deploy.unseen"
    cause = "The new configuration is switched, not seen: nothing shows that {services} runs it."
    where = "{module}"
    effect = "Its files are in place, and the reload reported no failure."
    fix = "Look at the service's log; a restart makes sure."
    module: str
    services: str


class StillServed(DeployError):
    """A module was taken out and its keys were removed, but its service goes on with what it has in memory."""

    code = "deploy.still_served"
    cause = (
        "It is no longer configured and its keys are removed, but its chain is still served at {addresses}{by:? by %}."
    )
    where = "{module}"
    fix = "Restart or stop the service{stop:?: %}; the agent looks again by itself."
    module: str
    addresses: str
    by: str = ""
    """Process that listens there, with its number."""
    stop: str = ""
    """Command that ends it, where it serves nothing but what the agent gives it."""

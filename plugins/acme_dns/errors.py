"""What can go wrong at an acme-dns server."""

from __future__ import annotations

from functools import cached_property

from chainwright import DnsSolverError, SolverMisconfigured, SolverRefused, SolverUnreachable

AGAIN = "then: chainwright renew"


class AcmeDnsError(DnsSolverError):
    """The family of the solver."""

    code = "source.acme_dns"
    where = "{server}"


class _OfOneName(AcmeDnsError):
    """About one name."""

    code = "source.acme_dns_name"
    domain: str
    server: str

    @cached_property
    def failed(self) -> frozenset[str]:
        """The name, and its wildcard, which is proved by the same record."""
        return frozenset({self.domain, f"*.{self.domain}"})


class NameNotRegistered(_OfOneName, SolverMisconfigured):
    """There is no registration for a name."""

    code = "source.acme_dns_unregistered"
    cause = "{domain} has no registration at the acme-dns server."
    fix = (
        "Register it, and add what is printed to the settings: chainwright acme_dns register {domain} --url {server}; "
        "then: chainwright apply"
    )


class AliasMissing(_OfOneName):
    """The name has a registration, but its alias doesn't lead there: what acme-dns publishes is never seen."""

    code = "source.acme_dns_no_alias"
    cause = "The record of {domain} would be looked for at {owner}, and acme-dns publishes it at {fulldomain}."
    fix = f"Add this record to the zone of {{domain}}: _acme-challenge.{{domain}}. CNAME {{fulldomain}}.; {AGAIN}"
    owner: str
    fulldomain: str


class TooManyValues(_OfOneName, SolverMisconfigured):
    """More values for one name than acme-dns keeps."""

    code = "source.acme_dns_too_many"
    cause = "acme-dns keeps two values of a name, and {domain} needs {number}."
    fix = "Order the name and its wildcard only, or use another solver for its zone."
    number: int


class RegistrationRefused(_OfOneName, SolverRefused):
    """401: user name, password, subdomain or the address that asks."""

    code = "source.acme_dns_forbidden"
    cause = (
        "The acme-dns server refuses to change the record of {domain}: user name, password and subdomain don't belong together, "
        "or it takes no changes from the address of this machine."
    )
    fix = f"Compare the registration with what was printed when it was made, and with its allowfrom, or make a new one; {AGAIN}"


class ValueRefused(_OfOneName, SolverRefused):
    """400: what was sent is not what it takes."""

    code = "source.acme_dns_refused"
    cause = "The acme-dns server does not take the value for {domain}: {said:quoted or it says nothing}."
    fix = f"Look whether {{server}} is an acme-dns server, and of which version; {AGAIN}"
    said: str


class ServerFailed(AcmeDnsError):
    """500 and whatever else isn't its contract."""

    code = "source.acme_dns_failed"
    cause = "The acme-dns server answers with HTTP status {status}: {said:quoted or it says nothing}."
    fix = f"Look at the log of the server and at the disk of its database; {AGAIN}"
    server: str
    status: int
    said: str


class ServerUnreachable(AcmeDnsError, SolverUnreachable):
    """No answer."""

    code = "source.acme_dns_unreachable"
    cause = "The acme-dns server gives no answer: {reason}."
    fix = f"Look whether it runs, and whether this machine may connect to it; {AGAIN}"
    server: str
    reason: str

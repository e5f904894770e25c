"""What a server says to a dynamic update, each with what it comes of and how that is cured."""

from __future__ import annotations

from collections.abc import Sequence

from chainwright import DnsSolverError, SolverMisconfigured, SolverRefused, SolverUnreachable

AGAIN = "then: chainwright renew"


class UpdateError(DnsSolverError):
    """A DNS server did not make a change."""

    code = "source.rfc"
    where = "{server}"
    server: str


class KeyRefused(UpdateError, SolverRefused):
    """It doesn't know the key; Knot also says so of a key that may not do this, and of a zone that it is a secondary of."""

    code = "source.rfc_key_refused"
    cause = 'The DNS server does not take the key "{key}" with {algorithm} for the zone {zone}.'
    fix = (
        "Look whether key_name and algorithm are as there, whether the key may change this zone's TXT records, "
        f"and whether the server is its primary; {AGAIN}"
    )
    key: str
    algorithm: str
    zone: str


class SecretWrong(UpdateError, SolverRefused):
    """It knows the key with another secret."""

    code = "source.rfc_secret_wrong"
    cause = 'The DNS server has another secret for the key "{key}".'
    fix = f"Set secret to what the server has for this key; {AGAIN}"
    key: str


class ClockDiffers(UpdateError):
    """Its clock and this machine's are too far apart."""

    code = "source.rfc_clock_differs"
    cause = (
        "The clocks of this machine and of the DNS server are more than five minutes apart, so that it takes no update."
    )
    fix = "Set the clock that is wrong, by NTP on both."


class AnswerUnsigned(UpdateError):
    """It answers, but not with the key."""

    code = "source.rfc_answer_unsigned"
    cause = 'The DNS server\'s answer is not signed with the key "{key}" as it should be.'
    fix = "Look whether something between this machine and the server changes DNS messages, and at the server's log."
    key: str


class UpdateRefused(UpdateError, SolverRefused):
    """The key may not do this."""

    code = "source.rfc_update_refused"
    cause = 'The DNS server refuses to let the key "{key}" change {names:few} in the zone {zone}.'
    fix = f"Allow this key TXT records of these names: docs/dns/rfc2136.md shows how, for BIND and Knot; {AGAIN}"
    key: str
    names: Sequence[str]
    zone: str


class ZoneNotServed(UpdateError, SolverRefused):
    """It is no primary of that zone."""

    code = "source.rfc_zone_not_served"
    cause = "The DNS server is not the primary of the zone {zone}."
    fix = f"Set server to the zone's primary; where that has the zone under another name, set zone; {AGAIN}"
    zone: str


class NameOutside(UpdateError, SolverMisconfigured):
    """The name isn't in the zone."""

    code = "source.rfc_name_outside"
    cause = "For the DNS server {names:few} is outside of the zone {zone}."
    fix = "Set zone to the one that holds it, or leave it out."
    names: Sequence[str]
    zone: str


class RecordOutside(SolverMisconfigured):
    """The name isn't in the zone that is set."""

    code = "source.rfc_record_outside"
    cause = "{names:few} is outside of the zone {zone}, which is set."
    where = "the DNS solver rfc2136"
    fix = "Set zone to the one that holds it, or leave it out; zones says which names a table is for."
    names: Sequence[str]
    zone: str


class UpdateFailed(UpdateError):
    """Another response code."""

    code = "source.rfc_update_failed"
    cause = "The DNS server answers {rcode} to the change of {names:few} in the zone {zone}."
    fix = "Look at the server's log."
    rcode: str
    names: Sequence[str]
    zone: str


class UpdateUnsent(UpdateError, SolverUnreachable):
    """There is no connection to it, or no answer."""

    code = "source.rfc_server_unreachable"
    cause = "The DNS server can't be sent an update: {why}."
    fix = "Look whether it runs and listens at TCP port 53, or at the port that is set, and lets this machine in."
    why: str


class ServerUnknown(SolverUnreachable):
    """Nobody says which server has the zone."""

    code = "source.rfc_server_unknown"
    cause = "Which server is the primary of {zone} can't be found out."
    where = "{zone}"
    fix = "Set server to its name or address."
    zone: str

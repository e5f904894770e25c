"""Why a root can't sign: it may not, it has expired, or what it was asked to sign is wrong."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from agent.errors.base import AgentError


class RootError(AgentError):
    """The root can't be used or won't sign."""

    code = "root"


class RootMayNotSign(RootError):
    """The certificate is no authority for signing services' certificates (RFC 5280 section 4.2.1)."""

    code = "root.may_not_sign"
    cause = "{subject:quoted} can't be the root: {reason}."
    fix = "Give a certificate authority that may sign certificates, with its key."
    subject: str
    reason: str


class RootKeyMismatch(RootError):
    """The key is not the root's."""

    code = "root.key_mismatch"
    cause = "The private key does not belong to the certificate of the root {subject:quoted}."
    fix = "Give the key that belongs to the certificate of this authority."
    subject: str


class RootParentsWrong(RootError):
    """The certificates above an uploaded subordinate CA don't lead from it to its own root. `reason` is a sentence."""

    code = "root.parents_wrong"
    cause = "The certificates above the root {subject:quoted} do not lead up from it: {reason}"
    fix = "Give the certificates of the authorities above it, each before that of its own issuer."
    subject: str
    reason: str


class RootSignsUnusable(RootError):
    """What the root is to sign is refused by every client."""

    code = "root.signs_unusable"
    cause = "Every client would refuse what the root {subject:quoted} is to sign: {reasons:semicolons}."
    fix = "Give the appliance a root that may sign for these names, or leave the names out."
    subject: str
    reasons: Sequence[str]


class RootExpired(RootError):
    """The root, or an authority above it, is past its end."""

    code = "root.expired"
    cause = "The root {subject:quoted} ended at {ended:time} and can't sign any more."
    fix = "Make a new one with `chainwright root reissue`, or upload one."
    subject: str
    ended: datetime


class RequestInvalid(RootError):
    """A certificate signing request (RFC 2986) that can't be signed."""

    code = "root.request_invalid"
    cause = "The certificate signing request can't be signed: {reason}."
    fix = "Make a new one on the device that has the key."
    reason: str


class NamesMissing(RootError):
    """A certificate without a name was asked for."""

    code = "root.names_missing"
    cause = "A certificate without a name was asked of the root."
    fix = "Name at least one DNS name or IP address."


class RootMissing(RootError):
    """A local chain is asked for before there is a root."""

    code = "root.missing"
    cause = "The appliance has no root yet."
    where = "root"
    fix = "Run the agent once: chainwright apply"


class RootUnknown(RootError):
    """A root is named that isn't there, or is not so far in its life as what is asked of it."""

    code = "root.unknown"
    cause = "No root of which that can be asked has a SHA-256 that begins with {sha256:quoted}."
    where = "root"
    fix = "See the roots: chainwright root list"
    sha256: str


class RootAmbiguous(RootError):
    """The SHA-256 of several roots begin with what is given."""

    code = "root.ambiguous"
    cause = "The SHA-256 of {found:count} roots begin with {start:quoted}."
    where = "root"
    fix = "Write more of it: {beginnings}"
    start: str
    found: Collection[str]

    @property
    def beginnings(self) -> list[str]:
        """What tells them apart."""
        return [each[:16] for each in sorted(self.found)]


class NoCrossCertificate(RootError):
    """There is one root alone, or none that may certify another one."""

    code = "root.no_cross_certificate"
    cause = "There is no cross-certificate: {reason}."
    where = "root"
    fix = "Give clients the roots themselves: chainwright root download"
    reason: str


class NoRootPrepared(RootError):
    """A root is to sign, and none is prepared."""

    code = "root.none_prepared"
    cause = "No root is prepared that could begin to sign."
    where = "root"
    fix = "Prepare one with `chainwright root reissue`, or upload one."


class NoRootReplaced(RootError):
    """A root is to be retired, and none was replaced."""

    code = "root.none_replaced"
    cause = "There is no root that another one has replaced and that is still believed."
    where = "root"
    fix = "See how far the roots are: chainwright root list"


class RootStepTooLate(RootError):
    """A step of a root's life is put off beyond its end, or so near to it that what was signed would end with it."""

    code = "root.step_too_late"
    cause = "The root {subject:quoted} ends at {ends:time}: the step can't be later than {latest:time}."
    where = "root"
    fix = "Give an earlier date."
    subject: str
    ends: datetime
    latest: datetime


class RootEndsTooSoon(RootError):
    """A root is uploaded that ends before it would begin to sign, or soon after."""

    code = "root.ends_too_soon"
    cause = "The root {subject:quoted} ends at {ends:time} and would begin to sign at {signs:time}."
    where = "root"
    fix = "Upload one that lasts longer, have it sign at once (--now), or make [root] overlap_days less."
    subject: str
    ends: datetime
    signs: datetime


class PeerUnknown(RootError):
    """Nothing that the root has signed has this serial number."""

    code = "root.peer_unknown"
    cause = "The root has signed nothing with the serial number {serial:quoted}."
    where = "root"
    fix = "See what it has signed for others: chainwright root peers"
    serial: str


class RevokedBefore(RootError):
    """What is to be revoked was revoked."""

    code = "root.revoked_before"
    cause = "The certificate with the serial number {serial} was revoked at {at:time}."
    where = "root"
    fix = "See the root's list: chainwright root crl"
    serial: str
    at: datetime


class ListMissing(RootError):
    """A root has no list of revoked certificates."""

    code = "root.list_missing"
    cause = (
        "The root {subject:quoted} has no list of revoked certificates: no pass was made since it was taken into "
        "service, or its key usage does not include cRLSign."
    )
    where = "root"
    fix = "Run the agent once, or upload a root that may sign such lists."
    subject: str

"""Why a root can't sign: it may not, it has expired, or what it was asked to sign is wrong."""

from __future__ import annotations

from datetime import datetime

from agent.errors.name import quoted
from agent.errors.problem import AgentError, rfc3339


class RootError(AgentError):
    """The root can't be used or won't sign."""

    code = "root"


class RootMayNotSign(RootError):
    """The certificate is no authority for signing services' certificates (RFC 5280 section 4.2.1)."""

    code = "root.may_not_sign"

    def __init__(self, subject: str, reason: str) -> None:
        super().__init__(
            f"{quoted(subject)} can't be the root: {reason}.",
            fix="Give a certificate authority that may sign certificates, with its key.",
        )


class RootKeyMismatch(RootError):
    """The key is not the root's."""

    code = "root.key_mismatch"

    def __init__(self, subject: str) -> None:
        super().__init__(
            f"The private key does not belong to the certificate of the root {quoted(subject)}.",
            fix="Give the key that belongs to the certificate of this authority.",
        )


class RootParentsWrong(RootError):
    """The certificates above an uploaded subordinate CA don't lead from it to its own root."""

    code = "root.parents_wrong"

    def __init__(self, subject: str, problem: str) -> None:
        super().__init__(
            f"The certificates above the root {quoted(subject)} do not lead up from it: {problem}",
            fix="Give the certificates of the authorities above it, each before that of its own issuer.",
        )


class RootExpired(RootError):
    """The root, or an authority above it, is past its end."""

    code = "root.expired"

    def __init__(self, subject: str, ended: datetime) -> None:
        super().__init__(
            f"The root {quoted(subject)} ended at {rfc3339(ended)} and can't sign any more.",
            fix="Make a new one with `chainwright root reissue`, or upload one.",
        )


class RequestInvalid(RootError):
    """A certificate signing request (RFC 2986) that can't be signed."""

    code = "root.request_invalid"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The certificate signing request can't be signed: {reason}.",
            fix="Make a new one on the device that has the key.",
        )


class NamesMissing(RootError):
    """A certificate without a name was asked for."""

    code = "root.names_missing"

    def __init__(self) -> None:
        super().__init__(
            "A certificate without a name was asked of the root.",
            fix="Name at least one DNS name or IP address.",
        )


class RootMissing(RootError):
    """A local chain is asked for before there is a root."""

    code = "root.missing"

    def __init__(self) -> None:
        super().__init__(
            "The appliance has no root yet.",
            where="root",
            fix="Run the agent once: chainwright apply",
        )


class PeerUnknown(RootError):
    """Nothing that the root has signed has this serial number."""

    code = "root.peer_unknown"

    def __init__(self, serial: str) -> None:
        super().__init__(
            f"The root has signed nothing with the serial number {quoted(serial)}.",
            where="root",
            fix="See what it has signed for others: chainwright root peers",
        )


class RevokedBefore(RootError):
    """What is to be revoked was revoked."""

    code = "root.revoked_before"

    def __init__(self, serial: str, at: datetime) -> None:
        super().__init__(
            f"The certificate with the serial number {serial} was revoked at {rfc3339(at)}.",
            where="root",
            fix="See the root's list: chainwright root crl",
        )


class ListMissing(RootError):
    """A root has no list of revoked certificates."""

    code = "root.list_missing"

    def __init__(self, subject: str) -> None:
        super().__init__(
            f"The root {quoted(subject)} has no list of revoked certificates: no pass was made since it was taken into "
            "service, or its key usage does not include cRLSign.",
            where="root",
            fix="Run the agent once, or upload a root that may sign such lists.",
        )

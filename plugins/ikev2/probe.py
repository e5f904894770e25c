"""Probe of an IKEv2 server: the chain that it sends, and the proof that it has the key."""

from __future__ import annotations

import errno
import hashlib
import socket
import time
from dataclasses import dataclass

from chainwright import Endpoint, Expected, Probe, ProbeFailed, Served

NOBODY_LISTENS = {
    errno.ECONNREFUSED: "connection refused",
    errno.EHOSTUNREACH: "no route to host",
    errno.ENETUNREACH: "network is unreachable",
    errno.EADDRNOTAVAIL: "no such address",
}
CLIENT = "chainwright-probe"


@dataclass(frozen=True)
class IkeProbe(Probe):
    """Dials in without credentials, until the server has proved who it is and asks for EAP.

    The endpoint's `host` and UDP `port` are dialled. Servers (connections) that authenticate clients by certificate only
    refuse before they show their own: for them there is `ViciProbe`.
    """

    identity: str | None = None
    """Domain or address that the server is asked to be (IDr, RFC 7296 section 3.5); default: the endpoint's `server_name`;
    empty: any."""
    left_out: tuple[str, ...] = ()
    """SHA-256 of certificates that the server need not send."""
    client: str = CLIENT
    """Who the server is told is calling (IDi, as a key ID). charon chooses a connection by it where it has several."""

    def look(self, endpoint: Endpoint, deadline: float, expected: Expected) -> Served:
        """Return the certificates in the order in which they were sent, after the AUTH signature was checked with the first.

        Raises `ProbeFailed`: a closed port, silence, a refusal (with its name), a malformed answer, a wrong signature.
        """
        from plugins.ikev2.ike.failure import IkeFailure
        from plugins.ikev2.ike.handshake import proved_chain

        allowed = deadline - time.monotonic()
        asked = endpoint.server_name if self.identity is None else self.identity
        try:
            chain = proved_chain(endpoint.host, endpoint.port, deadline, identity=asked, client=self.client)
        except TimeoutError as silence:
            reason = str(silence) or f"no answer within {max(allowed, 0):.1f} s"
            raise ProbeFailed(str(endpoint), reason) from silence
        except OSError as error:
            raise _not_reached(endpoint, error) from error
        except IkeFailure as failure:
            raise ProbeFailed(str(endpoint), str(failure)) from failure
        sent = tuple(hashlib.sha256(certificate).hexdigest() for certificate in chain)
        needed = tuple(each for each in expected.fingerprints if each not in self.left_out)
        return Served(fingerprints=expected.fingerprints if sent == needed else sent)


def _not_reached(endpoint: Endpoint, error: OSError) -> ProbeFailed:
    if isinstance(error, socket.gaierror):
        return ProbeFailed(str(endpoint), f"its host can't be resolved ({error.strerror})")
    if error.errno in NOBODY_LISTENS:
        reason = f"nobody listens there ({NOBODY_LISTENS[error.errno]})"
        return ProbeFailed(str(endpoint), reason, dead=True)
    return ProbeFailed(str(endpoint), error.strerror or str(error))

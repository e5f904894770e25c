"""Probe of a chain that charon shows only to clients with a certificate: charon is asked for it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chainwright import Endpoint, Expected, Probe, ProbeFailed, Served

SHORTEST = 0.01
"""Seconds: a socket with none would wait for nothing."""


@dataclass(frozen=True)
class ViciProbe(Probe):
    """Asks charon for the leaf, its key and the intermediates."""

    left_out: tuple[str, ...] = ()
    """SHA-256 of certificates that charon need not have."""

    def look(self, endpoint: Endpoint, deadline: float, expected: Expected) -> Served:
        """Return what of the expected chain charon has, from the leaf on."""
        from plugins.ikev2.vici_socket import session

        assert endpoint.path is not None
        allowed = max(deadline - time.monotonic(), SHORTEST)
        try:
            with session(endpoint.path, allowed) as charon:
                found = dict(_certificates(charon))
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise ProbeFailed(str(endpoint), f"nobody listens there ({error.strerror})", dead=True) from None
        except TimeoutError:
            raise ProbeFailed(str(endpoint), f"no answer within {allowed:.1f} s") from None
        except OSError as error:
            raise ProbeFailed(str(endpoint), (error.strerror or str(error)).lower()) from None
        leaf, *_ = expected.fingerprints
        if not found.get(leaf):
            raise ProbeFailed(str(endpoint), f"charon has no key for the certificate {leaf[:12]}")
        return Served(
            fingerprints=tuple(each for each in expected.fingerprints if each in found or each in self.left_out)
        )


def _certificates(charon: Any) -> Iterator[tuple[str, bool]]:
    """Yield each certificate's SHA-256, and whether charon has its key."""
    for each in charon.list_certs({"type": "X509"}):
        yield hashlib.sha256(each["data"]).hexdigest(), each.get("has_privkey") == b"yes"

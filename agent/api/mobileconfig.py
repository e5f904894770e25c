"""The root as a configuration profile (.mobileconfig), which Apple's devices install with a few taps."""

from __future__ import annotations

import plistlib
import uuid
from collections.abc import Sequence
from typing import Any

from agent.model.root import RootRecord

NAMESPACE = uuid.UUID("6f9f2f0a-4a4e-5d7c-9a55-2f9b1c0d7e31")
"""For RFC 9562 version 5: the same root gets the same profile, so that installing it again replaces it."""

STEMS = ("root", "next-root", "root-3", "root-4")
"""Of the files in it: there may be two roots that sign, and two that will."""


def profile(roots: Sequence[tuple[RootRecord, bytes]]) -> bytes:
    """Return the profile (Apple, "Device Management": TopLevel and CertificateRoot), not signed.

    `roots`: each with its certificate in DER; the first names the profile, the next one is put beside it while it is prepared.
    """
    payloads = [
        _payload("com.apple.security.root", "root", record)
        | {"PayloadCertificateFileName": f"{stem}.cer", "PayloadContent": der}
        for (record, der), stem in zip(roots, STEMS, strict=False)
    ]
    subjects = " and ".join(record.subject for record, _ in roots)
    whole = _payload("Configuration", "profile", roots[0][0]) | {
        "PayloadContent": payloads,
        "PayloadDescription": f"Lets this device trust certificates that {subjects} {'have' if roots[1:] else 'has'} signed.",
        "PayloadRemovalDisallowed": False,
    }
    return plistlib.dumps(whole)


def _payload(kind: str, part: str, record: RootRecord) -> dict[str, Any]:
    return {
        "PayloadType": kind,
        "PayloadVersion": 1,
        "PayloadIdentifier": f"chainwright.{part}.{record.sha256[:16]}",
        "PayloadUUID": str(uuid.uuid5(NAMESPACE, f"{part} {record.sha256}")).upper(),
        "PayloadDisplayName": record.subject,
    }

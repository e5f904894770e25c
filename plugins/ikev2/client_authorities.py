"""CAs that charon names to clients of EAP-TLS as those whose certificates it takes (RFC 5216, RFC 5246 section 7.4.4).

It names each CA with an RSA key that it has, and no other, whatever a connection believes. That is derived from what it lists: a
handshake would show the same only to somebody who goes on to show a certificate.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from chainwright import finding_line
from plugins.ikev2.configuration import Configuration

RSA_KEY = bytes.fromhex("06092a864886f70d010101")
"""Algorithm rsaEncryption, as a public key names it (RFC 3279 section 2.3.1)."""


def not_named(charon: Any, configuration: Configuration) -> Iterator[str]:
    """Yield a line for each connection of which no CA is named. Of the appliance's own roots the agent tells by itself."""
    asked = {name: _believed(each["remote"]) for name, each in configuration.connections.items() if _is_eap_tls(each)}
    if not asked:
        return
    own = {der for path, der in configuration.authorities.items() if Path(path).name.startswith("issuer")}
    named = {each["data"] for each in charon.list_certs({"type": "X509", "flag": "CA"}) if RSA_KEY in each["data"]}
    for name, believed in asked.items():
        if believed.isdisjoint(named | own):
            yield finding_line(f"clients of {name}", "notice", CAUSE.format(name=name), FIX)


CAUSE = (
    "strongSwan names only CAs with RSA keys to clients of {name} (EAP-TLS), and none of its client_ca has one: clients that go "
    "by that list have no certificate to show."
)
FIX = "Have their certificates signed by a CA with an RSA key, or use clients that don't go by the list, as strongSwan's own."


def _is_eap_tls(connection: Any) -> bool:
    return bool(connection.get("remote", {}).get("auth") == "eap-tls")


def _believed(remote: Any) -> set[bytes]:
    return set(cast("list[bytes]", remote.get("cacerts", [])))

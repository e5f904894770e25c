"""IKE_SA_INIT and the first IKE_AUTH, and a polite end."""

from __future__ import annotations

from plugins.ikev2.ike.failure import IkeFailure


def proved_chain(host: str, port: int, deadline: float, *, identity: str, client: str) -> list[bytes]:
    """Return the certificates (DER) that the server sent, the leaf first. It has proved that it has the leaf's key.

    Raises `IkeFailure`, and `OSError` as sockets do.
    """
    raise IkeFailure("the probe is not there yet")

"""Signing someone's request with the appliance's root."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from agent.chain import PeerCertificate, Purpose
from agent.errors.root import RootMissing
from agent.layout import Layout
from agent.names import parse_name
from agent.store import Store


def sign(
    layout: Layout, csr: bytes, names: Sequence[str], *, module: str, label: str, now: datetime
) -> PeerCertificate:
    """Sign a PEM request (RFC 2986) for `names` and keep the certificate under `module` and `label`.

    Raises `RootMissing`, `RootExpired`, `RequestInvalid`, `NameInvalid`, `NamesMissing`, `StoreError`.
    """
    canonical = list(dict.fromkeys(parse_name(name) for name in names))
    with Store.open_existing(layout) as store:
        root = store.roots.load()
        if root is None:
            raise RootMissing
        peer = root.sign_request(csr, canonical, Purpose.SERVER, now)
        with store.write():
            store.peers.add(peer, csr=csr, module=module, label=label, root=root.sha256, names=canonical, now=now)
        return peer

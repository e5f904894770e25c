"""The roots that an upload may end in, the appliance's own among them."""

from __future__ import annotations

from agent.pki.anchors import Anchors, load_anchors
from agent.store import Store
from agent.system.layout import Layout


def known_anchors(layout: Layout) -> Anchors:
    """Return what is known on this appliance, with the present root and those before it. Raises `StoreError`.

    A chain that one of the own roots has signed is complete without it.
    """
    from agent.pki.chain import load_certificates

    with Store.open_existing(layout) as store:
        own = [each for root in store.roots.all() for each in load_certificates(root.certificates.encode())]
    return load_anchors(layout, own=own)

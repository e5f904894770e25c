"""A CA with an intermediate in the directory `desk`; for each chain that it is asked for, `count` there gets a line."""

from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificates

from agent.pki.key import generate_key
from chainwright import Chain, Due, Offer, OrderContext, Request, RequestState, Source, hookimpl, is_address
from support.cas import certificates as toy_ca


class Tiered(Source):
    """A CA with an intermediate."""

    name = "tiered"
    desk: str

    def offers(self, request: Request, state: RequestState) -> Offer:
        addresses = sorted(filter(is_address, request.names))
        return Offer(serves=not addresses, reason=f"{addresses[0]} is an address" if addresses else "")

    def due(self, request: Request, state: RequestState, now: datetime) -> Due:
        if state.chain is None:
            return Due(at=now, reason="there is no chain of tiered yet")
        return Due(at=state.chain.not_after - timedelta(days=30), reason="a third is left")

    def obtain(self, request: Request, session: OrderContext) -> Chain:
        desk = Path(self.desk)
        with (desk / "count").open("a") as count:
            count.write(f"{min(request.names)}\n")
        intermediate, root = load_pem_x509_certificates((desk / "ca.pem").read_bytes())
        signer = toy_ca.Party(load_pem_private_key((desk / "ca.key").read_bytes(), None), intermediate)
        leaf = signer.leaf(*sorted(request.names), now=session.now(), key=generate_key(request.key_type))
        return Chain.build(leaf.key, [leaf.certificate, intermediate], [root])


@hookimpl
def register_sources() -> list[type[Source]]:
    return [Tiered]

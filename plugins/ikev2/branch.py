"""Connections between two sites, as one of them sees them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from chainwright import Host, PathText, Port, slot_of
from plugins.ikev2.connection import ConnectionName, Network, Proposal

HEAD_OFFICE = "head-office"
"""Slot of the chain by which this side is known to its branches. Local only: they trust the root that signed them too."""


class Branch(BaseModel):
    """One ``[[modules.ikev2.branches]]`` table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: ConnectionName = Field(
        description="of the connection, and of the certificate that is signed for the other side"
    )
    peer: Host = Field(description="name or address in the other side's certificate")
    address: Host | Literal["%any"] = Field("%any", description='where the other side is; "%any": it comes to us')
    port: Port = Field(500, description="of IKE there")
    local_ts: tuple[Network, ...] = Field(min_length=1, description="networks on this side")
    remote_ts: tuple[Network, ...] = Field(min_length=1, description="networks on the other side")
    start: bool = Field(False, description="whether this side begins, and begins again")
    issued: Host | None = Field(
        None,
        description="name in the certificate that the other side has signed for this one, and that was uploaded here; "
        "default: this side signs",
    )
    remote_ca: tuple[PathText, ...] = Field(
        (),
        description="files with CA certificates, one in each, that sign the other side; "
        'default: the appliance\'s own root, with "issued" the root that signed for this side',
    )
    proposals: tuple[Proposal, ...] = Field(("default",), min_length=1, description="algorithms of IKE")
    esp_proposals: tuple[Proposal, ...] = Field(("default",), min_length=1, description="algorithms of ESP")

    @property
    def slot(self) -> str:
        """Slot of this side's chain."""
        return HEAD_OFFICE if self.issued is None else f"issued-{slot_of(self.issued, 100)}"

    @property
    def by_own_root(self) -> bool:
        """Whether what the other side has hangs on the appliance's own root."""
        return self.issued is None and not self.remote_ca

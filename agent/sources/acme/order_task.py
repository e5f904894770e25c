"""`OrderTask`: everything that the parts of one order share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.contract.source import OrderContext
    from agent.model.need import Request
    from agent.sources.acme.ca_context import CaContext
    from agent.sources.acme.messages import Account
    from agent.sources.acme.source import AcmeSource


@dataclass(frozen=True, slots=True)
class OrderTask:
    """One try to get one request's chain."""

    source: AcmeSource
    ca: CaContext
    account: Account
    request: Request
    context: OrderContext

"""The steps of an order, as they are told while it goes on."""

from __future__ import annotations

from enum import StrEnum


class OrderStep(StrEnum):
    """What has just been reached or begun, in this order.

    An order that goes on after a crash begins in the middle, and names that the CA knows already need no challenges.
    """

    ACCOUNT = "account"
    """The CA knows the appliance."""
    PREFLIGHT = "preflight"
    """Looking at DNS, CAA and port 80 before the CA is asked."""
    WAITING = "waiting"
    """Another order for the same names comes first."""
    ORDERED = "ordered"
    """The CA has the order."""
    CHALLENGES = "challenges"
    """Every name is answered for; the CA looks."""
    VALIDATED = "validated"
    """The CA is content with every name."""
    FINALIZING = "finalizing"
    """The CA has the signing request."""
    DOWNLOADED = "downloaded"
    """The chain is here, and it is what was ordered."""

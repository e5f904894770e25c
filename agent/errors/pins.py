"""A pin can't be set or taken back."""

from __future__ import annotations

from collections.abc import Collection

from agent.errors.base import AgentError


class PinError(AgentError):
    """A request about a pin is refused; nothing has changed."""

    code = "pin"


class PinnedInSettings(PinError):
    """The settings pin a chain there, and they go before what is pinned by command."""

    code = "pin.in_settings"
    cause = 'The settings pin "{pin}" for {module}/{slot}, which goes before a pin by command; nothing was changed.'
    where = "[modules.{module}]"
    fix = "Change or remove `pin` there, then: chainwright apply"
    module: str
    slot: str
    pin: str


class PinUnusable(PinError):
    """A chain that is to be pinned could not serve there. `reason` is a clause."""

    code = "pin.unusable"
    cause = "The chain can't be pinned for {module}/{slot}: {reason}."
    where = "chain {chain:short}"
    fix = "See what could serve there: chainwright explain {module} {slot}"
    chain: str
    module: str
    slot: str
    reason: str


class PinMoved(PinError):
    """Another chain is pinned there than the one whose pin is to be taken back: somebody was quicker."""

    code = "pin.moved"
    cause = "{present:short} is pinned for {module}/{slot} by now, not {chain:short}; nothing was changed."
    where = "chain {chain:short}"
    fix = "Take that one's pin back: chainwright unpin {module} {slot}"
    chain: str
    """The one that was thought to be pinned."""
    module: str
    slot: str
    present: str


class NotPinned(PinError):
    """There is no pin to take back."""

    code = "pin.none"
    cause = "No chain is pinned for {module}/{slot}."
    fix = "{pinned:sorted 8 ?Pinned: % or Pin one: chainwright pin {module} {slot} CHAIN}"
    module: str
    slot: str
    pinned: Collection[str]

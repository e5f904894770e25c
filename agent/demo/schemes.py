"""What is spoken at an address of the demo, for the lines that it prints."""

from __future__ import annotations

import tomllib
from typing import Any

from agent.demo.modules import MAIL_PORTS
from agent.system.layout import Layout


def protocols_of_mail(layout: Layout) -> dict[str, str]:
    """Return the protocol at each address that the settings of mail name; none where they can't be read."""
    try:
        table: dict[str, Any] = tomllib.loads((layout.conf_d / "mail.toml").read_text())["modules"]["mail"]
    except (OSError, ValueError, LookupError, TypeError):
        return {}
    found = {listener: table.get(listener) for listener in MAIL_PORTS}
    return {address: listener for listener, address in found.items() if isinstance(address, str)}

"""The web interface: HTTPS with the chain that the agent deploys to it like to any module.

Importing this is cheap, as its own process needs neither the settings nor the contract: they come with the hooks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chainwright import hookimpl

if TYPE_CHECKING:
    from chainwright import Module, Service
    from plugins.webui.module import WebUI as WebUI

__all__ = ["WebUI"]


def __getattr__(name: str) -> Any:
    """Import the module's class when it is named."""
    if name != "WebUI":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from plugins.webui.module import WebUI

    return WebUI


@hookimpl
def register_modules() -> list[type[Module]]:
    """Return the web interface."""
    from plugins.webui.module import WebUI

    return [WebUI]


@hookimpl
def register_services() -> list[type[Service]]:
    """Return the web interface's process."""
    from plugins.webui.service import WebUIService

    return [WebUIService]

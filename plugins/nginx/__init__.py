"""nginx as a service that any number of modules share: one test and one reload, and a fault of one module stops no other.

A module on nginx is a subclass of `NginxModule` with a template ``http.conf.j2``. What is named here is what such a module
may import.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from chainwright import hookimpl

if TYPE_CHECKING:
    from chainwright import Service
    from plugins.nginx.module import NginxModule
    from plugins.nginx.service import Nginx
    from plugins.nginx.upstream import Backend, UpstreamBlock

__all__ = ["Backend", "Nginx", "NginxModule", "UpstreamBlock"]

# Its programs are part of this package, and one runs each minute: heavy modules are imported where they are used.
HOME = {"Backend": "upstream", "Nginx": "service", "NginxModule": "module", "UpstreamBlock": "upstream"}


def __getattr__(name: str) -> Any:
    if name not in HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{HOME[name]}"), name)


@hookimpl
def register_services() -> list[type[Service]]:
    """Return nginx."""
    from plugins.nginx.service import Nginx

    return [Nginx]

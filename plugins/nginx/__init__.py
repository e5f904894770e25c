"""nginx as a service that any number of modules share: one test and one reload, and a fault of one module stops no other.

A module on nginx is a subclass of `NginxModule` with a template ``http.conf.j2``. What is named here is what such a module
may import.
"""

from __future__ import annotations

from chainwright import Service, hookimpl
from plugins.nginx.module import NginxModule
from plugins.nginx.service import Nginx
from plugins.nginx.upstream import Backend, UpstreamBlock

__all__ = ["Backend", "Nginx", "NginxModule", "UpstreamBlock"]


@hookimpl
def register_services() -> list[type[Service]]:
    """Return nginx."""
    return [Nginx]

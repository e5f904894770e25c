"""nginx as a service that any number of modules share: one test and one reload, and a fault of one module stops no other.

A module on nginx is a subclass of `NginxModule` with a template ``http.conf.j2``; it imports that from `chainwright`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainwright import hookimpl

if TYPE_CHECKING:
    from chainwright import Service


@hookimpl
def register_services() -> list[type[Service]]:
    """Return nginx."""
    from plugins.nginx.service import Nginx  # its programs are part of this package, and one runs each minute

    return [Nginx]

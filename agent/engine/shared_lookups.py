"""What asks DNS for all orders of a process: zones and their servers are found out once in some minutes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent.config.settings import Dns01Settings
    from agent.dns.exchange import Server
    from agent.dns.lookups import Lookups


class SharedLookups:
    """The one `Lookups` with the resolvers that are in force."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: tuple[tuple[Server, ...], Lookups] | None = None

    def of(self, settings: Dns01Settings) -> Lookups:
        """Return it; a new one where other resolvers are to be asked."""
        from agent.dns.lookups import Lookups
        from agent.dns.resolvers import system_resolvers

        servers = tuple((each.host, each.port) for each in settings.resolvers) or system_resolvers()
        with self._lock:
            if self._made is None or self._made[0] != servers:
                self._made = servers, Lookups(servers)
            return self._made[1]

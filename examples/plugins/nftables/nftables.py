"""A firewall of nftables that lets CAs in only as long as they look at challenges."""

from __future__ import annotations

from pydantic import Field

from chainwright import ChallengeWindow, Command, PluginSettings, hookimpl

api = 1


class Nftables(PluginSettings):
    """Firewall of nftables."""

    bit: int = Field(28, ge=0, le=31, description="of the packet's mark, which the ruleset accepts")

    @hookimpl
    def challenge_window(self, window: ChallengeWindow) -> Command | None:
        """Mark what comes to the ports, by a table of the window's own: others at the same port stay as they are."""
        table = f"inet chainwright_{window.id}"
        if window.action == "close":
            return Command(("nft", f"add table {table}; delete table {table}"))  # no error where it is gone
        families = ", ".join(window.families)
        ports = ", ".join(map(str, window.ports))
        matches = f"meta nfproto {{ {families} }} tcp dport {{ {ports} }}"
        mark = f"meta mark set meta mark or {1 << self.bit:#x}"
        chain = f"chain opened {{ type filter hook input priority -10; {matches} {mark}; }}"
        return Command(("nft", f"table {table} {{ {chain}; }}"))


@hookimpl
def register_settings() -> type[PluginSettings]:
    return Nftables

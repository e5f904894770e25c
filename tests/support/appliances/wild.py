"""An appliance whose site is proved by records that the agent makes in a zone."""

from __future__ import annotations

from dataclasses import dataclass

from support.appliances.certified import Certified
from support.servers.zones import BIND9, Zones
from support.toml import table

SECRET = "/etc/chainwright/tsig.key"


@dataclass
class Wild(Certified):
    """One site with a domain and its wildcard, in a zone that the agent may write TXT records into."""

    zones: Zones | None = None

    def tables(self) -> str:
        assert self.zones
        (zone,) = self.sites
        secret = self.layout.rooted(SECRET)
        secret.write_text(self.zones.key.secret)
        secret.chmod(0o600)
        where = {"listen": f"127.0.0.1:{self.port}", "listen_http": f"127.0.0.1:{self.http_port}"}
        site = {"domains": [zone, f"*.{zone}"], "upstream": self.upstream}
        solver = {
            "plugin": "rfc2136",
            "zones": [zone],
            "server": BIND9,
            "port": self.zones.port,
            "key_name": self.zones.key.name,
            "secret_file": SECRET,
            "check_servers": [self.zones.place],
        }
        return (
            table("services.nginx", self.service)
            + table("modules.reverse_proxy", {**where, **self.module})
            + table("[modules.reverse_proxy.sites]", site)
            + table("dns.zone", solver)
            + table("dns01", {"resolvers": self.zones.place})
        )

    @property
    def values(self) -> list[str]:
        """Return what is at the owner of the challenges."""
        assert self.zones
        return self.zones.bind9.txt(f"_acme-challenge.{self.sites[0]}")

    @property
    def kept(self) -> int:
        """Return how many records the agent remembers."""
        with self.store() as store:
            return len(store.dns_records.all())

"""An appliance with a chain in each state that the page has words for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from box import Box

from agent.errors.acme import ProfileRefused, RateLimited
from agent.errors.http01 import AnsweredByAnother
from agent.operations.uploads import store_upload
from agent.pki.chain import Chain
from support.cas.certificates import Party, root
from support.fakes.uploads import bundle_of

MODULES = """
[modules.mailboxes]
names = ["mail.example.com"]
port = 993
[modules.sites]
names = ["www.example.com", "shop.example.com", "cloud.example.com", "blog.example.com", "old.example.com",
    "portal.example.org"]
[modules.remote]
names = ["vpn.example.com"]
[modules.tunnels]
names = ["vpn.example.com"]
[modules.hotspot]
names = ["wifi.example.com"]
[modules.kiosk]
names = ["kiosk.example.com"]
window = "{hours}"
[modules.tills]
plugin = "hotspot"
sources = ["uploaded"]
names = ["bank.example.com"]
"""
CALM = """
[modules.mailboxes]
names = ["mail.example.com"]
[modules.sites]
names = ["portal.example.com", "shop.example.com", "news.example.com", "wiki.example.com", "docs.example.com"]
[modules.tunnels]
names = ["vpn.example.com"]
"""
LE = "Let's Encrypt"
WEBROOT = Path("/var/lib/chainwright/http-01")
REFUSAL = "doveconf: Fatal: ssl_min_protocol: Unknown protocol 'TLSv1.4'\n"


@dataclass(frozen=True)
class Shop:
    """Where certificates are bought."""

    authority: Party
    root: Party

    @classmethod
    def at(cls, now: datetime) -> Shop:
        """Return one that has been there for a while."""
        since = now - timedelta(days=100)
        above = root("Example Commerce Root", now=since)
        return cls(above.authority("Example Commerce CA 4", now=since, days=3000), above)

    def chain(self, *names: str, now: datetime, days: int) -> Chain:
        """Return a chain as it is stored."""
        leaf = self.authority.leaf(*names, now=now, days=days)
        return Chain.build(leaf.key, [leaf.certificate, self.authority.certificate], [self.root.certificate])

    def bundle(self, leaf: Party) -> bytes:
        """Return a file with all that a customer gets: key, certificate and those above it."""
        return bundle_of(leaf, self.authority, self.root)


def troubled(box: Box) -> None:
    """Lay the appliance out, and let all of it happen."""
    now = box.clock()
    hours = f"{now + timedelta(hours=3):%H:%M}-{now + timedelta(hours=4):%H:%M}"
    box.lay_out(MODULES.replace("{hours}", hours), webui='domain = "gw.example.com"', acme=True)
    shop = Shop.at(now)
    box.change(store_upload, shop.chain("*.example.org", "example.org", now=now, days=262))
    box.change(store_upload, shop.chain("unused.example.net", now=now, days=31), keep_unused=True)
    for name in ("gw", "www", "wifi", "kiosk"):
        box.certified(f"{name}.example.com")
    box.certified("mail.example.com", since=timedelta(days=59))
    box.certified("old.example.com", since=timedelta(days=20))
    box.certified("cloud.example.com", since=timedelta(days=85))
    box.pass_over()
    box.refuses("mailboxes", REFUSAL)
    box.certified("mail.example.com", since=timedelta(hours=1))
    box.failed(["vpn.example.com"], ProfileRefused(LE, 'there is no profile "tlsserverr"'))
    clause = {"blog.example.com": "Apache/2.4.62 at 203.0.113.7:80 says 404 Not Found"}
    retry = now + timedelta(minutes=50)
    box.failed(["blog.example.com"], AnsweredByAnother(clause, 80, WEBROOT, retry, server="Apache/2.4.62"))
    box.failed(["cloud.example.com"], RateLimited(LE, "too many orders lately", retry), attempts=3)
    box.ordered("shop.example.com")


def finish(box: Box) -> None:
    """Let happen what the last pass must not see."""
    box.ended("old.example.com", at=box.clock() - timedelta(hours=5))


def calm(box: Box) -> None:
    """Lay out an appliance on which all is well."""
    box.lay_out(CALM)

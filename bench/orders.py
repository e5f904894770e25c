"""(f) Chains of an ACME CA, one for each name, beside a bare protocol loop with as many connections, and beside others.

python bench/orders.py [NAMES...] [--sleep SECONDS] [--times N] [--dns] [--peers]

The CA is Pebble 2.10 without authorizations that can be used again; with `--sleep 5`, its own default, a validation takes up to
4 s more. An nginx answers its challenges. Bare loop and agent run in a process that is up, as the agent is, but for "as a
command"; the agent keeps all that it does, and looks at DNS before. `--dns`: by DNS-01, in a zone of BIND that both change by
RFC 2136; the loop asks no server whether it has the records. `--peers`: Debian's certbot and lego as well, once, one
name after the other; they take about 4 s for each.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import bare_acme
from appliance import HERE, NGINX, Appliance, Prepared, Taken, head, interleaved, process, row, stop
from bare_ca import key_pem
from cryptography.hazmat.primitives.asymmetric import ec

from agent.engine.engine import Engine
from agent.model.events import Event, EventKind
from agent.pki.account_key import thumbprint
from agent.store import Store
from agent.system.layout import Layout

if TYPE_CHECKING:
    from support.cas.pebble import Pebble
    from support.servers.zones import Zones

sys.path.insert(0, str(HERE.parent / "tests"))  # the tests' CA is this one's too
TRUST, SECRET = "/listener-root.pem", "/tsig.key"
ZONE = "example.test"
LABELS = {
    "bare": "bare loop",
    "alone": "orders alone",
    "resident": "with deployment",
    "command": "as a command",
    "certbot": "certbot",
    "lego": "lego",
}
ANSWERS = """\
pid {place}/nginx.pid; error_log {place}/nginx.log; worker_processes 1; events {{ }}
http {{
    access_log off;
    server {{ listen 127.0.0.1:{port} default_server; {ours} }}
    server {{ listen 127.0.0.1:{port}; server_name ~^bare; {bare} }}
    server {{ listen 127.0.0.1:{port}; server_name ~^peer; root {place}/webroot; }}
}}
"""
STATELESS = 'location ~ "^/\\.well-known/acme-challenge/([-_A-Za-z0-9]+)$" {{ return 200 "$1.{thumbprint}"; }}'


class Scene:
    """A CA, an nginx or a zone that answers it, and an appliance that has only local chains."""

    def __init__(self, place: Path, ca: Pebble, names: int, zones: Zones | None) -> None:
        self.place = place
        self.ca = ca
        self.zones = zones
        self.names = names
        self.fresh = iter(range(10**6))
        self.key_file = place / "bare.key"
        key = ec.generate_private_key(ec.SECP256R1())
        self.key_file.write_bytes(key_pem(key))
        self.copied = Appliance(place / "copy")
        self.alone: list[tuple[float, float]] = []
        self.template = Appliance(place / "template")
        self.template.toy(names)
        settings = self.template.etc / "chainwright.toml"
        settings.write_text(self._settings() + settings.read_text() + self._solver())
        shutil.copy(ca.trust_file, self.template.root / TRUST.strip("/"))
        process(*self.template.command("boot"))()
        with Store.open(Layout(self.template.root)) as store:
            ours = thumbprint(store.account_keys.load())
        self._answer(ours, thumbprint(key))

    def _settings(self) -> str:
        return (
            f'sources = ["uploaded", "acme", "local"]\nacme.directory = "{self.ca.directory_url}"\nacme.trust = "{TRUST}"\n'
            f'acme.names = "any"\nacme.http_port = {self.ca.http_port}\n'
            f'acme.resolvers = "{self.zones.place if self.zones else self.ca.dns.address}"\n'
            f'acme.challenges = ["{"dns-01" if self.zones else "http-01"}"]\n'
        )

    def _solver(self) -> str:
        """Return the tables of the zone."""
        if self.zones is None:
            return ""
        secret = self.template.root / SECRET.strip("/")
        secret.write_text(self.zones.key.secret)
        secret.chmod(0o600)
        address, _, port = self.zones.place.rpartition(":")
        return (
            f'\n[dns01]\nresolvers = "{self.zones.place}"\n[dns.zone]\nplugin = "rfc2136"\nzones = ["{ZONE}"]\n'
            f'server = "{address}"\nport = {port}\nkey_name = "{self.zones.key.name}"\nsecret_file = "{SECRET}"\n'
            f'check_servers = ["{self.zones.place}"]\n'
        )

    def _answer(self, ours: str, bare: str) -> None:
        (self.place / "webroot").mkdir()
        values = {"ours": STATELESS.format(thumbprint=ours), "bare": STATELESS.format(thumbprint=bare)}
        text = ANSWERS.format(place=self.place, port=self.ca.http_port, **values)
        (self.place / "nginx.conf").write_text(text)
        subprocess.run([NGINX, "-e", "stderr", "-c", str(self.place / "nginx.conf")], check=True)

    def close(self) -> None:
        stop(int((self.place / "nginx.pid").read_text()))

    def counted(self, run: Callable[[], object], counts: list[float]) -> Callable[[], None]:
        """Return a call that notes how many requests each chain has cost."""

        def call() -> None:
            self.ca.mark()
            run()
            counts.append(len(self.ca.requests()) / self.names)

        return call

    def bare(self) -> None:
        names = [f"bare{number}.example.test" for number in range(self.names)]
        where = {
            "directory": self.ca.directory_url,
            "trust": str(self.ca.trust_file),
            "account_key": str(self.key_file),
        }
        bare_acme.main(argparse.Namespace(**where, names=names, concurrency=8, zone=self._zone()))

    def _zone(self) -> bare_acme.Zone | None:
        if self.zones is None:
            return None
        address, _, port = self.zones.place.rpartition(":")
        return bare_acme.Zone(ZONE, address, int(port), self.zones.key.for_dnspython)

    def copy(self) -> None:
        """Let `command` and `resident` be about a fresh copy of the appliance."""
        self.copied.root = self.place / f"copy{next(self.fresh)}"
        shutil.copytree(self.template.root, self.copied.root, symlinks=True)

    def command(self) -> None:
        process(*self.copied.command("apply"))()
        self.verify()

    def resident(self) -> None:
        """Apply in this process, as the agent does that is up, and note what of it are the orders alone."""
        instants: list[tuple[float, float]] = []

        def note(event: Event) -> None:
            if event.kind is EventKind.ORDER_STARTED or event.detail.get("step") == "downloaded":
                instants.append((time.perf_counter(), time.process_time()))

        Engine(Layout(self.copied.root), listeners=[note]).apply()
        (begun, used), (ended, used_then) = instants[0], instants[-1]
        self.alone.append((ended - begun, used_then - used))
        self.verify()

    def orders_alone(self) -> Taken:
        """Return the medians of what `resident` has noted."""
        return Taken(*(statistics.median(column) for column in zip(*self.alone, strict=True)))

    def verify(self) -> None:
        """See that there is a chain of the CA for each name."""
        with Store.open(Layout(self.copied.root)) as store:
            found = sum(each.source == "acme" for each in store.chains.records())
        assert found == self.names, f"{found} of {self.names} chains"

    # Others

    def certbot(self) -> None:
        here = self.place / f"certbot{next(self.fresh)}"
        where = [f"--{name}-dir={here}/{name}" for name in ("config", "work", "logs")]
        common = ["certbot", "certonly", "-n", "-q", "--agree-tos", "--register-unsafely-without-email", *where]
        common += [
            "--server",
            self.ca.directory_url,
            "--webroot",
            "-w",
            str(self.place / "webroot"),
            "--key-type",
            "ecdsa",
        ]
        for number in range(self.names):
            process("env", f"REQUESTS_CA_BUNDLE={self.ca.trust_file}", *common, "-d", f"peer{number}.example.test")()

    def lego(self) -> None:
        here = self.place / f"lego{next(self.fresh)}"
        common = [
            "lego",
            "--path",
            str(here),
            "--server",
            self.ca.directory_url,
            "--accept-tos",
            "--email",
            "a@example.com",
        ]
        common += ["--http", "--http.webroot", str(self.place / "webroot")]
        for number in range(self.names):
            trust = f"LEGO_CA_CERTIFICATES={self.ca.trust_file}"
            process("env", trust, *common, "--domains", f"peer{number}.example.test", "run")()


@contextmanager
def scene(names: int, sleep: int, *, dns: bool) -> Iterator[Scene]:
    from support.cas.pebble import Options, Pebble
    from support.servers.zones import Zones

    with tempfile.TemporaryDirectory(prefix="chainwright-bench-") as directory, ExitStack() as opened:
        place = Path(directory)
        place.chmod(0o755)  # nginx's workers read the webroot
        (place / "ca").mkdir()
        (place / "zones").mkdir()
        zones = Zones(place / "zones") if dns else None
        if zones:
            opened.callback(zones.close)
            zones.add(ZONE, secondary=False)
        ca = Pebble(place / "ca", Options(sleep=sleep, dns_place=zones.place if zones else ""))
        opened.callback(ca.close)
        made = Scene(place, ca, names, zones)
        opened.callback(made.close)
        yield made


def measure(names: int, sleep: int, times: int, *, dns: bool, peers: bool) -> None:
    costs: dict[str, list[float]] = defaultdict(list)
    with scene(names, sleep, dns=dns) as made:
        runs: dict[str, Callable[[], object]] = {
            "bare": made.counted(made.bare, costs["bare"]),
            "resident": Prepared(made.copy, made.counted(made.resident, costs["resident"])),
            "command": Prepared(made.copy, made.counted(made.command, costs["command"])),
        }
        taken = interleaved(times, **runs)
        taken["alone"] = made.orders_alone()
        if peers:
            others = {name: made.counted(getattr(made, name), costs[name]) for name in ("certbot", "lego")}
            taken |= interleaved(1, **others)
    costs["alone"] = costs["resident"]
    by = "DNS-01" if dns else "HTTP-01"
    head(f"{names} chains by {by}, validation {f'0 to {sleep - 1} s' if sleep else 'at once'}", "the bare loop")
    for name, label in LABELS.items():
        if name in taken:
            row(f"{label} ({statistics.mean(costs[name]):.1f} requests)", taken[name], taken["bare"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", type=int, default=[1, 20, 100])
    parser.add_argument("--sleep", type=int, default=0)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--dns", action="store_true")
    parser.add_argument("--peers", action="store_true")
    given = parser.parse_args()
    for count in given.names:
        measure(count, given.sleep, given.times, dns=given.dns, peers=given.peers and not given.dns)

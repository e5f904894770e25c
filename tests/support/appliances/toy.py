"""A directory that stands for an appliance: settings files, drop-in plugins, installed distributions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from textwrap import dedent

from agent.config.loading import load
from agent.config.settings import Settings
from agent.contract.source import Due, Offer, OrderContext, RequestState, Source
from agent.model.need import Request
from agent.pki.chain import Chain
from agent.registry.plugins import Registry
from agent.system.layout import Layout


class Rung(Source):
    """A source that is only configured here, never asked."""

    lifetime_days: int = 90

    def offers(self, request: Request, state: RequestState) -> Offer:
        return Offer(serves=True)

    def due(self, request: Request, state: RequestState, now: datetime) -> Due:
        return Due(at=now, reason="always")

    def obtain(self, request: Request, session: OrderContext) -> Chain:
        raise NotImplementedError


class Uploaded(Rung):
    name = "uploaded"


class Acme(Rung):
    name = "acme"


class Local(Rung):
    name = "local"


BUILT_IN = (Uploaded, Acme, Local)

STUNNEL = """
    from chainwright import ChainFile, Endpoint, Module, Part, Template, hookimpl

    class Stunnel(Module):
        '''TLS tunnels.'''

        name = "stunnel"
        reload = ("true",)
        files = (ChainFile(path="tunnel.pem", parts=(Part.KEY, Part.FULLCHAIN)), Template(path="tunnel.conf"))
        port: int = 993

        def declare_needs(self, host):
            return [self.need("tunnel.example.test")]

        def probes(self, context):
            return [Endpoint(port=self.port)]

    @hookimpl
    def register_modules():
        return [Stunnel]
"""
"""A complete plugin."""


@dataclass(frozen=True)
class ToyAppliance:
    """Write files, then load them."""

    root: Path

    @property
    def layout(self) -> Layout:
        return Layout(self.root)

    def settings(self, text: str, name: str = "chainwright.toml", mode: int = 0o644) -> Path:
        return self._write(self.layout.etc / name, text, mode)

    def drop_in(self, name: str, source: str, mode: int = 0o644) -> Path:
        return self._write(self.layout.plugins / f"{name}.py", source, mode)

    def secret(self, path: str, text: str, mode: int = 0o600) -> Path:
        return self._write(self.layout.rooted(path), text, mode)

    def install(self, distribution: str, version: str, plugins: dict[str, str], points: str = "") -> Path:
        """Make a distribution with an entry point for each of `plugins` (module name and source); return its sys.path entry."""
        place = self.root / f"site-{distribution}"
        for name, source in plugins.items():
            self._write(place / f"{name}.py", source, 0o644)
        info = place / f"{distribution.replace('-', '_')}-{version}.dist-info"
        self._write(info / "METADATA", f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n", 0o644)
        lines = points or "\n".join(f"{name} = {name}" for name in plugins)
        self._write(info / "entry_points.txt", f"[chainwright]\n{dedent(lines)}\n", 0o644)
        return place

    def load(self) -> tuple[Settings, Registry]:
        return load(self.layout, BUILT_IN)

    def registry(self, *wanted: str, **more: object) -> Registry:
        return Registry.load(self.layout, wanted, builtin_sources=BUILT_IN, **more)  # type: ignore[arg-type]

    def _write(self, path: Path, text: str, mode: int) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
        path.chmod(mode)
        return path

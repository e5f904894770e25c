"""Generations made by the core's own rendering and written by hand, for tests of one module on its real service."""

import hashlib
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from agent.contract.context import DIRECTORY_MARK, NUMBER_MARK, ChainFacts, Context, Http01
from agent.contract.module import Module
from agent.model.need import HostFacts
from agent.pki.chain import Chain
from agent.pki.encoding import Format, Part, encode
from agent.pki.key import KeyType, generate_key, key_type_of
from agent.rendering.render import Ownership, Rendering, filled_in, render_module
from agent.rendering.templates import Templates, search_path
from agent.system.command import SystemRunner
from agent.system.layout import Layout
from agent.testing.appliance import short_directory
from support.cas import certificates as toy_ca

PATIENCE = 20.0
"""Seconds until a wait gives up: for a busy machine, not a measure of anything."""
HOST = HostFacts(name="gw", addresses=("127.0.0.1", "::1"))


def facts_of(chain: Chain, names: tuple[str, ...], source: str = "local") -> ChainFacts:
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(toy_ca.pem(chain.leaf).decode())).hexdigest()
    return ChainFacts(
        id=digest,
        names=names,
        source=source,
        issuer="Toy",
        key_type=key_type_of(chain.leaf.public_key()),
        not_after=toy_ca.NOW,
        intermediates=1,
    )


class Authority:
    """Makes chains with one intermediate."""

    def __init__(self) -> None:
        self._root = toy_ca.root()
        self._intermediate = self._root.authority("Toy Intermediate")

    def chain(self, *names: str, key_type: KeyType = KeyType.ECDSA_P256) -> Chain:
        leaf = self._intermediate.leaf(*names, key=generate_key(key_type))
        return Chain(
            key=leaf.key,
            leaf=leaf.certificate,
            intermediates=(self._intermediate.certificate,),
            anchor=self._root.certificate,
        )


@dataclass
class StagedAppliance:
    """The directories of an appliance, and chains by slot."""

    root: Path
    thumbprint: str | None = None
    host: HostFacts = HOST
    source: str = "local"
    number: int = 0
    authority: Authority = field(default_factory=Authority)
    chains: dict[str, Chain] = field(default_factory=dict)
    services: Mapping[str, type] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.layout = Layout(self.root)
        self.runner = SystemRunner()
        for place in (self.layout.run, self.layout.log, self.layout.webroot, self.layout.services):
            place.mkdir(parents=True)
        self.http01 = Http01(webroot=self.layout.webroot, thumbprint=self.thumbprint)

    @classmethod
    @contextmanager
    def make(cls, **options) -> Iterator[Self]:
        with short_directory() as root:
            appliance = cls(root, **options)
            try:
                yield appliance
            finally:
                appliance.stop()

    def stop(self) -> None:
        """End what was started."""

    def context(self, module: Module, name: str, **more) -> Context:
        """Return the context of the next generation, each slot with a chain of its own."""
        needs = module.declare_needs(self.host)
        for need in needs:
            if need.slot not in self.chains:
                self.chains[need.slot] = self.authority.chain(*need.names, key_type=need.key_types[0])
        facts = {need.slot: facts_of(self.chains[need.slot], need.names, self.source) for need in needs}
        values = {"module": name, "directory": Path(DIRECTORY_MARK), "generation": NUMBER_MARK, "chains": facts}
        values |= {"host": self.host, "http01": self.http01, "places": self.layout.module(name)}
        return Context(**{**values, **more})

    def rendering(self, module: Module, context: Context) -> Rendering:
        """Render `module` as the core does."""
        paths = search_path(self.layout.templates, module.name, type(module), self.services)
        templates = Templates(paths, module.name, 1 + len(self.services))
        return render_module(
            module,
            module.receive_chains(context.chains),
            module.render_files(context),
            context,
            templates,
            Ownership(),
        )

    def stage(self, module: Module, name: str = "", **more) -> Context:
        """Write the next generation of `module`."""
        context = self.context(module, name or module.name, **more)
        rendering = self.rendering(module, context)
        self.number += 1
        directory = context.places.state / str(self.number)
        self.write(rendering, directory)
        return replace(context, directory=directory, generation=str(self.number))

    def write(self, rendering: Rendering, directory: Path) -> None:
        """Write files as the core does."""
        for file in rendering.files:
            path = directory / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            if file.text:
                content = filled_in(rendering.texts[file.text], str(directory), self.number).encode()
            else:
                content = encode(self.chains[file.slot], [Part(part) for part in file.parts], Format(file.format))
            path.write_bytes(content)
            path.chmod(file.mode)
            if file.publish:
                published = self.layout.rooted(file.publish)
                published.parent.mkdir(parents=True, exist_ok=True)
                published.write_bytes(content)

    def leaf(self, slot: str) -> bytes:
        """Return the leaf of a slot, DER."""
        return ssl.PEM_cert_to_DER_cert(toy_ca.pem(self.chains[slot].leaf).decode())


def switch(state: Path, target: Path) -> None:
    """Let the link `live` in `state` name another directory beside it, in one step."""
    draft = state / "live.new"
    draft.symlink_to(target.name)
    draft.replace(state / "live")


def http(stream: socket.socket, path: str, host: str, headers: Mapping[str, str] | None = None) -> str:
    """Ask with HTTP/1.1 and return the whole answer."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    stream.sendall("\r\n".join([*lines, "", ""]).encode())
    with stream.makefile("rb") as answer:
        return answer.read().decode()

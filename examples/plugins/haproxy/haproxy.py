"""Sites behind HAProxy: a new chain is taken over its runtime API, without a reload; a changed configuration by a reload."""

import os
import signal
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

from pydantic import Field

from chainwright import (
    ChainFile,
    Command,
    Context,
    Endpoint,
    Host,
    HostFacts,
    ListenAddress,
    Module,
    Need,
    Part,
    Template,
    Url,
    hookimpl,
    slot_of,
)

api = 1


class HAProxy(Module):
    """Sites behind HAProxy."""

    name = "haproxy"
    files = (ChainFile(path="sites/{slot}.pem", parts=(Part.KEY, Part.FULLCHAIN)), Template(path="haproxy.cfg"))
    check = ("haproxy", "-c", "-f", "{dir}/haproxy.cfg")
    reload = (sys.executable, "-P", __file__, "{dir}", "{run}")
    listen: ListenAddress = Field("443", validate_default=True)
    sites: dict[Host, Url]

    def declare_needs(self, host: HostFacts) -> Iterable[Need]:
        return [self.need(name, slot=slot_of(name)) for name in self.sites]

    def running(self, context: Context) -> Path:
        return context.places.run / "haproxy.pid"

    def start_command(self, context: Context) -> Command:
        configuration = context.places.live / "haproxy.cfg"
        return Command(("haproxy", "-W", "-D", "-f", str(configuration), "-p", str(self.running(context))))

    def probes(self, context: Context) -> Iterable[Endpoint]:
        number = context.places.run / "haproxy-generation.sock"
        for name in self.sites:
            yield Endpoint(
                host=self.listen.host,
                port=self.listen.port,
                server_name=name,
                slot=slot_of(name),
                generation_socket=number,
            )


@hookimpl
def register_modules() -> list[type[Module]]:
    return [HAProxy]


# The program that `reload` runs


def ask(run: Path, line: str) -> str:
    """Give a command to the runtime API; return its answer."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(str(run / "haproxy.sock"))
        stream.sendall(line.encode() + b"\n")
        return b"".join(iter(lambda: stream.recv(65536), b"")).decode()


def outline(generation: Path) -> tuple[str, set[str]]:
    """Return what takes a reload to change: the configuration but for its number, and which sites have a chain."""
    text = (generation / "haproxy.cfg").read_text()
    return text.replace(f"int({generation.name})", ""), {each.name for each in generation.glob("sites/*.pem")}


def take_over(generation: Path, run: Path) -> None:
    """Have the HAProxy that runs use the files of `generation`."""
    before = generation.parent / ask(run, "get var proc.generation").partition("<")[2].partition(">")[0]
    if not (before / "haproxy.cfg").exists() or outline(before) != outline(generation):
        return os.kill(int((run / "haproxy.pid").read_text()), signal.SIGUSR2)
    for pem in generation.glob("sites/*.pem"):
        ask(run, f"set ssl cert sites/{pem.name} <<\n{pem.read_text()}\n")
        answer = ask(run, f"commit ssl cert sites/{pem.name}")
        if "Success!" not in answer:
            ask(run, f"abort ssl cert sites/{pem.name}")
            sys.exit(f"error: {pem.name} was not taken: {answer}")
    ask(run, f"experimental-mode on; set var proc.generation int({generation.name})")
    return None


if __name__ == "__main__":
    take_over(*map(Path, sys.argv[1:]))

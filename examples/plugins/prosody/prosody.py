"""Prosody: chains of its virtual hosts, seen by STARTTLS of XMPP; its shell tells which configuration it runs."""

from collections.abc import Iterable
from pathlib import Path

from chainwright import (
    ChainFile,
    Command,
    Context,
    Endpoint,
    Host,
    HostFacts,
    Module,
    Need,
    Part,
    Port,
    Signal,
    StartTLS,
    Template,
    hookimpl,
    slot_of,
)

api = 1


class Prosody(Module):
    """Chat (Prosody)."""

    name = "prosody"
    user = group = "prosody"
    files = (
        ChainFile(path="{slot}.key", parts=(Part.KEY,)),
        ChainFile(path="{slot}.crt", parts=(Part.FULLCHAIN,)),
        Template(path="prosody.cfg.lua", publish=Path("/etc/prosody/conf.d/chainwright.cfg.lua")),
    )
    # It reads a configuration file before it says anything of itself, and fails where it can't.
    check = ("prosodyctl", "--config", "{dir}/prosody.cfg.lua", "about")
    domains: tuple[Host, ...]
    port: Port = 5222

    def declare_needs(self, host: HostFacts) -> Iterable[Need]:
        return [self.need(name, slot=slot_of(name)) for name in self.domains]

    def running(self, context: Context) -> Path:
        return context.places.rooted("/run/prosody/prosody.pid")

    def reload_command(self, context: Context) -> Signal:
        return Signal(self.running(context))

    def confirm_command(self, context: Context) -> Command:
        number = f'require"core.configmanager".get("{self.domains[0]}", "chainwright_generation")'
        shell = ("prosodyctl", "--config", str(context.places.rooted("/etc/prosody/prosody.cfg.lua")), "shell")
        return Command((*shell, f'> assert({number} == "{context.generation}", "it runs another configuration")'))

    def start_command(self, context: Context) -> Command:
        return Command(("systemctl", "start", "prosody"))

    def probes(self, context: Context) -> Iterable[Endpoint]:
        for name in self.domains:
            yield Endpoint(port=self.port, server_name=name, slot=slot_of(name), starttls=StartTLS.XMPP)


@hookimpl
def register_modules() -> list[type[Module]]:
    return [Prosody]

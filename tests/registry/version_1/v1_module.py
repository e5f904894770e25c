"""A module with a service of its own. Written for version 1.0 of the plugin contract, and never changed."""

from collections.abc import Iterable

from chainwright import (
    ChainFile,
    Command,
    Context,
    Endpoint,
    HostFacts,
    Module,
    Name,
    Need,
    Part,
    Port,
    Signal,
    Template,
    hookimpl,
)

api = 1


class Tunnel(Module):
    """TLS tunnels."""

    name = "v1_module"
    files = (
        ChainFile(path="tunnel.pem", parts=(Part.KEY, Part.FULLCHAIN)),
        Template(path="v1_toyd.conf"),
    )
    check = ("toyd", "--check", "{dir}/v1_toyd.conf")
    port: Port
    domain: Name

    def declare_needs(self, host: HostFacts) -> Iterable[Need]:
        return [self.need(self.domain)]

    def prepare_command(self, context: Context) -> Iterable[Command]:
        return [Command(("cp", f"{context.directory}/v1_toyd.conf", f"{context.directory}/prepared"))]

    def reload_command(self, context: Context) -> Signal:
        return Signal(context.places.run / "v1_module.pid")

    def probes(self, context: Context) -> Iterable[Endpoint]:
        return [Endpoint(port=self.port, server_name=self.domain)]


@hookimpl
def register_modules() -> list[type[Module]]:
    return [Tunnel]

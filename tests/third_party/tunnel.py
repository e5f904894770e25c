"""Certificates for toyd, as somebody else would write it."""

from collections.abc import Iterable

from chainwright import ChainFile, Context, Endpoint, HostFacts, Module, Name, Need, Part, Signal, Template, hookimpl


class Tunnel(Module):
    """TLS tunnels (toyd)."""

    name = "tunnel"
    files = (
        ChainFile(path="tunnel.pem", parts=(Part.KEY, Part.FULLCHAIN)),
        Template(path="toyd.conf"),
    )
    check = ("toyd", "--check", "{dir}/toyd.conf")
    port: int = 993
    domain: Name

    def declare_needs(self, host: HostFacts) -> Iterable[Need]:
        return [self.need(self.domain)]

    def reload_command(self, context: Context) -> Signal:
        return Signal(context.places.run / "toyd.pid")

    def probes(self, context: Context) -> Iterable[Endpoint]:
        return [Endpoint(port=self.port, server_name=self.domain)]


@hookimpl
def register_modules() -> list[type[Module]]:
    return [Tunnel]

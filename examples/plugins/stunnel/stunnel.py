"""TLS in front of a service that has none, by stunnel. It can't test a configuration: one that it refuses is rolled back."""

from collections.abc import Iterable
from pathlib import Path

from chainwright import (
    ChainFile,
    Command,
    Context,
    Endpoint,
    HostFacts,
    ListenAddress,
    Module,
    Name,
    Need,
    Part,
    Signal,
    Template,
    hookimpl,
)

api = 1


class Stunnel(Module):
    """TLS in front of a plain service (stunnel)."""

    name = "stunnel"
    files = (
        ChainFile(path="stunnel.pem", parts=(Part.KEY, Part.FULLCHAIN)),
        # A copy: it would read the file that a link has led to at its start for ever.
        Template(path="stunnel.conf", publish=Path("/etc/stunnel/chainwright.conf"), how="copy"),
    )
    # stunnel opens the log that a configuration names once it has taken the whole of it.
    confirm = ("test", "{run}/stunnel-{generation}.log", "-nt", "{dir}/stunnel.conf")
    domain: Name
    accept: ListenAddress
    connect: ListenAddress

    def declare_needs(self, host: HostFacts) -> Iterable[Need]:
        return [self.need(self.domain)]

    def running(self, context: Context) -> Path:
        return context.places.run / "stunnel.pid"

    def reload_command(self, context: Context) -> Signal:
        return Signal(self.running(context))

    def start_command(self, context: Context) -> Command:
        return Command(("systemctl", "start", "stunnel@chainwright"))

    def probes(self, context: Context) -> Iterable[Endpoint]:
        return [Endpoint(host=self.accept.host, port=self.accept.port, server_name=self.domain)]


@hookimpl
def register_modules() -> list[type[Module]]:
    return [Stunnel]

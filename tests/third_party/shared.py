"""A toy service that two toy modules share: each module's sites are a part of one entry."""

from collections.abc import Iterable

from chainwright import (
    Action,
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
    Service,
    ServiceContext,
    Signal,
    Template,
    Word,
    hookimpl,
)


class Toyd(Service):
    """The toy daemon."""

    name = "toyd"
    port: Port

    def render_entry(self, context: ServiceContext) -> Iterable[Template]:
        return [Template(path="entry.conf")]

    def check_command(self, context: ServiceContext) -> Command:
        return Command(("toyd", "--check", f"{context.directory}/entry.conf"))

    def reload_command(self, context: ServiceContext) -> Action:
        return Signal(context.places.run / "toyd.pid")


class Front(Module):
    """Sites in front."""

    name = "front"
    services = ("toyd",)
    files = (
        ChainFile(path="{slot}/site.pem", parts=(Part.KEY, Part.FULLCHAIN)),
        Template(path="{slot}/site.conf"),
    )
    sites: tuple[Name, ...]
    odd: tuple[Word, ...] = ()
    port: Port

    def declare_needs(self, host: HostFacts) -> Iterable[Need]:
        return [self.need(site, slot=site) for site in self.sites]

    def probes(self, context: Context) -> Iterable[Endpoint]:
        return [Endpoint(port=self.port, server_name=slot, slot=slot) for slot in context.chains]


class Side(Front):
    """Sites at the side."""

    name = "side"


@hookimpl
def register_modules() -> list[type[Module]]:
    return [Front, Side]


@hookimpl
def register_services() -> list[type[Service]]:
    return [Toyd]

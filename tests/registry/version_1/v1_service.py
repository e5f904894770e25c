"""A service that modules share, and such a module. Written for version 1.0 of the plugin contract, and never changed."""

from collections.abc import Iterable, Mapping

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
    hookimpl,
)

api = (1, 0)


class Daemon(Service):
    """The toy daemon."""

    name = "v1_daemon"
    port: Port

    def render_entry(self, context: ServiceContext) -> Iterable[Template]:
        return [Template(path="v1_entry.conf")]

    def check_command(self, context: ServiceContext) -> Command:
        return Command(("toyd", "--check", f"{context.directory}/v1_entry.conf"))

    def reload_command(self, context: ServiceContext) -> Action:
        return Signal(context.places.run / "v1_daemon.pid")

    def contradictions(self, modules: Mapping[str, Module]) -> Iterable[tuple[str, str]]:
        return ()


class Sites(Module):
    """Sites of the toy daemon."""

    name = "v1_sites"
    services = ("v1_daemon",)
    files = (
        ChainFile(path="{slot}/site.pem", parts=(Part.KEY, Part.FULLCHAIN)),
        Template(path="{slot}/v1_site.conf"),
    )
    sites: tuple[Name, ...]
    port: Port

    def declare_needs(self, host: HostFacts) -> Iterable[Need]:
        return [self.need(site, slot=site) for site in self.sites]

    def probes(self, context: Context) -> Iterable[Endpoint]:
        return [Endpoint(port=self.port, server_name=slot, slot=slot) for slot in context.chains]


@hookimpl
def register_modules() -> list[type[Module]]:
    return [Sites]


@hookimpl
def register_services() -> list[type[Service]]:
    return [Daemon]

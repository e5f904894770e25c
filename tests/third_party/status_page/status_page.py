"""A page on the appliance's nginx that says whether it is well, as somebody else would write it."""

from collections.abc import Iterable

from chainwright import (
    ChainFile,
    Context,
    Endpoint,
    HostFacts,
    Module,
    Name,
    Need,
    NginxModule,
    Part,
    Template,
    hookimpl,
)


class StatusPage(NginxModule):
    """Status page."""

    name = "status_page"
    files = (
        *NginxModule.files,
        ChainFile(path="fullchain.pem", parts=(Part.FULLCHAIN,)),
        ChainFile(path="key.pem", parts=(Part.KEY,)),
        Template(path="server.conf", slot="default"),
    )
    domain: Name

    def declare_needs(self, host: HostFacts) -> Iterable[Need]:
        return [self.need(self.domain)]

    def server_names(self) -> Iterable[str]:
        return [self.domain]

    def probes(self, context: Context) -> Iterable[Endpoint]:
        return [self.endpoint(context, self.domain)]


@hookimpl
def register_modules() -> list[type[Module]]:
    return [StatusPage]

"""A daemon with a unit, whose main file is the administrator's, or the agent's own."""

from collections.abc import Iterable

from chainwright import Command, IncludedService, PathText, Service, ServiceContext, Template, Text, hookimpl


# sample: service
class Proxyd(IncludedService):
    """proxyd."""

    name = "proxyd"
    main_file = "proxyd.conf"
    usual_pid_file = "/run/proxyd.pid"
    own_pid_file = "proxyd.pid"

    binary: PathText = "/usr/sbin/proxyd"
    configuration: PathText = "/etc/proxyd.conf"
    include: PathText = "/etc/proxyd.d/chainwright.conf"

    def render_entry(self, context: ServiceContext) -> Iterable[Template | Text]:
        yield Template(path="proxyd.conf")
        if self.main == "include":
            yield self.include_file(f"include {context.places.live}/proxyd.conf")

    def check_command(self, context: ServiceContext) -> Command:
        return Command((self.binary, "-t", "-c", str(self.main_path(context.places, context.directory))))

    def start_program(self, context: ServiceContext) -> Command:
        return Command((self.binary, "-c", str(self.main_path(context.places, context.places.live))))


# end: service


@hookimpl
def register_services() -> list[type[Service]]:
    return [Proxyd]

"""TLS of a PostgreSQL cluster of Debian's. What it runs is asked of the server itself: a reload that it refuses is seen."""

from collections.abc import Iterable
from pathlib import Path

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
    StartTLS,
    Template,
    Word,
    hookimpl,
)

api = 1


class PostgreSQL(Module):
    """Connections to PostgreSQL."""

    name = "postgresql"
    user = group = "postgres"
    domain: Name
    port: Port = 5432
    version: int = 15
    cluster: Word = "main"

    def declare_needs(self, host: HostFacts) -> Iterable[Need]:
        return [self.need(self.domain)]

    def receive_chains(self, chains: object) -> Iterable[ChainFile]:
        yield ChainFile(path="server.key", parts=(Part.KEY,))
        yield ChainFile(path="server.crt", parts=(Part.FULLCHAIN,))

    def render_files(self, context: Context) -> Iterable[Template]:
        included = Path(f"/etc/postgresql/{self.version}/{self.cluster}/conf.d/chainwright.conf")
        yield Template(path="tls.conf", template="postgresql.conf.j2", publish=included)

    def check_command(self, context: Context) -> Command:
        program = f"/usr/lib/postgresql/{self.version}/bin/postgres"
        data, file = self.data(context), context.directory / "tls.conf"
        return Command((program, "-C", "ssl_cert_file", "-D", str(data), f"--config-file={file}"))

    def running(self, context: Context) -> Path:
        return self.data(context) / "postmaster.pid"

    def reload_command(self, context: Context) -> Signal:
        return Signal(self.running(context))

    def confirm_command(self, context: Context) -> Command:
        wanted = f"current_setting('chainwright.generation') = '{context.generation}'"
        code = f"do $$begin assert {wanted}, 'it runs another configuration'; end$$"
        socket = context.places.rooted("/run/postgresql")
        return Command(
            ("runuser", "-u", self.user, "--", "psql", "-h", str(socket), "-p", str(self.port), "-Xqc", code)
        )

    def start_command(self, context: Context) -> Command:
        return Command(("systemctl", "start", f"postgresql@{self.version}-{self.cluster}"))

    def probes(self, context: Context) -> Iterable[Endpoint]:
        return [Endpoint(port=self.port, server_name=self.domain, starttls=StartTLS.POSTGRES)]

    def data(self, context: Context) -> Path:
        return context.places.rooted(f"/var/lib/postgresql/{self.version}/{self.cluster}")


@hookimpl
def register_modules() -> list[type[Module]]:
    return [PostgreSQL]

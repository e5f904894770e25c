"""nginx as a service: the reverse proxy, the login page and every other module that speaks HTTP share it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, PositiveInt, model_validator

from chainwright import (
    Command,
    HostFacts,
    IncludedService,
    ListenAddress,
    ListenAddresses,
    Module,
    PathText,
    Places,
    ServiceContext,
    Template,
    Text,
    Word,
    usable_addresses,
)
from plugins.nginx.claims import contradictions
from plugins.nginx.cures import cure_for
from plugins.nginx.front import acme_socket, every_socket, https_socket
from plugins.nginx.generation import generation_socket
from plugins.nginx.workers import usual_user

OLD_WAY = 'the "listen ... http2" directive is deprecated'
"""Of nginx 1.25.1 and newer (Debian 13), about files of ours: the new way is an unknown directive to nginx 1.22 (Debian 12)."""
CONFLICT = "conflicting server name"
"""Names no file: `plugins.nginx.diagnose` does."""
USUAL_FRONT = ("0.0.0.0:443", "[::]:443")
CONFIRM = Path(__file__).with_name("confirm.py")


def _front(value: Any) -> Any:
    """Read true as the usual addresses, and false as none."""
    if isinstance(value, bool):
        return USUAL_FRONT if value else ()
    return value


class Nginx(IncludedService):
    """nginx."""

    name: ClassVar[str] = "nginx"
    title: ClassVar[str] = "nginx"
    main_file: ClassVar[str] = "nginx.conf"
    usual_pid_file: ClassVar[str] = "/run/nginx.pid"
    own_pid_file: ClassVar[str] = "nginx.pid"

    include_directive: ClassVar[re.Pattern[str]] = re.compile(r"""(?:^|[\s;{}])include\s+["']?([^\s;"']+)["']?\s*;""")
    relative_to_main: ClassVar[bool] = True
    line_to_add: ClassVar[str] = "inside http {{ }}: include {};"

    unit: Word = "nginx"
    binary: PathText = "/usr/sbin/nginx"
    configuration: PathText = "/etc/nginx/nginx.conf"
    include: PathText = "/etc/nginx/conf.d/chainwright.conf"
    hash_sizes: bool = Field(True, description="false where your main file sets server_names_hash_* itself")
    user: Word | None = Field(
        None,
        description='of the workers, for main = "own" as root; default: www-data where there is one, else nginx\'s own',
    )
    worker_processes: PositiveInt | Literal["auto"] = Field("auto", description='for main = "own"')
    worker_connections: PositiveInt = Field(1024, description='connections a worker, for main = "own"')
    temporary: PathText | None = Field(
        None, description='parent of temporary files, for main = "own"; default: the agent\'s run/, which is memory'
    )
    worker_shutdown_timeout: PositiveInt = Field(
        3600, description='seconds that connections may outlive a reload, for main = "own"'
    )

    tls_alpn: Annotated[ListenAddresses, BeforeValidator(_front)] = Field(
        (),
        description="addresses of modules at which TLS-ALPN-01 challenges are let through to the agent; "
        'true: port 443 everywhere; for main = "own", with the stream module',
    )
    stream_module: PathText | Literal[""] = Field(
        "/usr/lib/nginx/modules/ngx_stream_module.so",
        description='file of the stream module, for tls_alpn; "" where nginx has it built in',
    )

    def render_entry(self, context: ServiceContext) -> Iterable[Template | Text]:
        """Return what the modules share, and the main file or the line that the administrator's main file includes."""
        yield Template(path="http.conf", values={"sockets": self._sockets(context)})
        if self.tls_alpn:
            yield Template(
                path="stream.conf", values={"front": self.front(context.host), "acme": acme_socket(context.places)}
            )
        if self.main == "own":
            yield Template(path="nginx.conf")
        else:
            yield self.include_file(f'include "{context.places.live}/http.conf";')

    def contradictions(self, modules: Mapping[str, Module]) -> Iterable[tuple[str, str]]:
        """Find what nginx would only warn of: two modules that both answer to a name, or TLS and plain HTTP on one port."""
        return contradictions(modules)

    def check_command(self, context: ServiceContext) -> Command:
        """Test the candidate; it finds wrong keys and garbage, but no missing intermediate."""
        return Command(
            (self.binary, "-e", "stderr", "-t", "-c", str(self.main_path(context.places, context.directory)))
        )

    def warnings_in(self, output: str) -> Iterable[str]:
        """Return what nginx warns of: of two servers with one name it ignores one without an error."""
        found = [line for line in output.splitlines() if "[warn]" in line or "[emerg]" in line]
        told = (OLD_WAY, *([CONFLICT] if self.main == "include" else []))
        return [line for line in found if not any(each in line for each in told)]

    def cure_for(self, output: str) -> str:
        """Say where the settings are that nginx complains of without a file, or with one file of two."""
        return cure_for(output, "the main file" if self.main == "own" else self.configuration)

    def diagnose_command(self, context: ServiceContext) -> Command | None:
        """Look for clashes of the administrator's servers with ours; there are no others where the main file is ours."""
        if self.main == "own":
            return None
        main_file, ours = self.main_path(context.places, context.directory), context.places.state.parent.parent
        return Command((sys.executable, "-P", "-m", "plugins.nginx.diagnose", str(main_file), str(ours)))

    def awaits_network(self, output: str, addressed: bool) -> bool:
        """Find names that don't resolve and, before there is any address, those of `listen` that aren't there."""
        return "host not found in" in output or (not addressed and "(99: " in output)

    def confirm_command(self, context: ServiceContext) -> Command | None:
        """Ask a socket of the workers for the number of the entry; a module's own number is seen with its endpoints."""
        shown = self._shown(context)
        return Command((sys.executable, "-I", str(CONFIRM), *shown)) if shown else None

    def observe_command(self, context: ServiceContext) -> Command | None:
        """See that what runs is the entry in service, and of which main file (`plugins.nginx.observe`)."""
        shown, main_file = self._shown(context), self.main_path(context.places, context.places.live)
        where = (str(self.pid_path(context.places)), str(main_file))
        return Command((sys.executable, "-P", "-m", "plugins.nginx.observe", *shown, *where)) if shown else None

    def start_command(self, context: ServiceContext) -> Command:
        """Start, after the sockets have been removed that a killed nginx left (`plugins.nginx.start_nginx`)."""
        # -P: without it Python looks for modules in the current directory first, which may be anybody's.
        patterns = (generation_socket(context.places, part.module, "*") for part in context.parts)
        behind = [every_socket(context.places)] if self.tls_alpn else []
        sockets = tuple(str(pattern) for pattern in (*patterns, *behind) if pattern)
        start = (self.systemctl("start") or self.start_program(context)).argv
        return Command((sys.executable, "-P", "-m", "plugins.nginx.start_nginx", *sockets, "--", *start))

    def front(self, host: HostFacts) -> tuple[ListenAddress, ...]:
        """Return where connections are told apart before anybody answers them."""
        return usable_addresses(self.tls_alpn, host)

    def https_socket(self, places: Places, address: ListenAddress) -> Path:
        """Return where the servers of an address of `tls_alpn` listen themselves."""
        return https_socket(places, address)

    @model_validator(mode="after")
    def _front_is_in_the_own_main_file(self) -> Self:
        if self.tls_alpn and self.main != "own":
            raise ValueError(
                'tls_alpn is for main = "own": its stream { } stands beside the http { } into which your main file includes ours'
            )
        return self

    def _shown(self, context: ServiceContext) -> tuple[str, ...]:
        """Return the number of the entry and a socket that tells it; empty: there is none."""
        path = next(filter(None, self._sockets(context).values()), None)
        number = context.directory.name
        return (number, str(path)) if path is not None and number.isdecimal() else ()

    def _sockets(self, context: ServiceContext) -> dict[str, Path | None]:
        """Return where the generation of each module is shown."""
        return {
            each.module: generation_socket(context.places, each.module, each.directory.name) for each in context.parts
        }

    def start_program(self, context: ServiceContext) -> Command:
        """Start the binary."""
        # Our main file names a log; before it is read, a private nginx may not open the one that was compiled in.
        log = ("-e", "stderr") if self.main == "own" else ()
        return Command((self.binary, *log, "-c", str(self.main_path(context.places, context.places.live))))

    @property
    def workers_user(self) -> str | None:
        """The user of the workers of an instance of the agent's own; None: nginx's own default, or the administrator's."""
        return (self.user or usual_user()) if self.main == "own" else None

    def temporary_path(self, places: Places) -> Path:
        """Return where bodies are kept that are too large for a worker's memory; its user must get there."""
        return places.rooted(self.temporary) if self.temporary else places.run

"""A private nginx with generations made by the core's own rendering, switched by hand."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.contract.context import DIRECTORY_MARK, Context, ModulePart, ServiceContext
from agent.rendering.render import entry_of
from agent.rendering.templates import Templates, search_path
from agent.system.command import Signal
from agent.system.processes import process_of
from chainwright import Nginx
from plugins.reverse_proxy import ReverseProxy
from support.appliances.staged import PATIENCE, StagedAppliance, http, switch
from support.processes.tree import children, kill_all
from support.waiting import until


@dataclass
class NginxAppliance(StagedAppliance):
    """Directories, and an nginx that may run or not."""

    service: Nginx = field(default_factory=lambda: Nginx(main="own", manager="commands", worker_processes=1))
    services: Mapping[str, type] = field(default_factory=lambda: {"nginx": Nginx})

    def entry(self, *contexts: Context) -> ServiceContext:
        """Write an entry with these generations."""
        places = self.layout.service("nginx")
        parts = tuple(
            ModulePart(module=each.module, plugin="reverse_proxy", directory=each.directory) for each in contexts
        )
        context = ServiceContext(
            service="nginx",
            directory=Path(DIRECTORY_MARK),
            parts=parts,
            host=self.host,
            http01=self.http01,
            places=places,
        )
        templates = Templates(search_path(self.layout.templates, "nginx", Nginx), "nginx")
        rendering = entry_of(self.service, self.service.render_entry(context), context, templates)
        directory = places.state / str(self.number)
        self.write(rendering, directory)
        return replace(context, directory=directory)

    def check(self, entry: ServiceContext) -> str:
        """Run the service's test; return its output if it failed, else nothing."""
        result = self.runner.run(self.service.check_command(entry))
        return "" if result.ok else result.output or "failed"

    def start(self, *contexts: Context) -> ServiceContext:
        """Check, switch and start."""
        entry = self.entry(*contexts)
        assert not self.check(entry)
        switch(entry.places.state, entry.directory)
        result = self.runner.run(self.service.start_command(entry))
        assert result.ok, result.output
        self.wait_for_generation(contexts[-1])
        return entry

    def serve(self, module: ReverseProxy) -> Context:
        """Stage and start."""
        context = self.stage(module)
        self.start(context)
        return context

    def reload(self, module: ReverseProxy) -> Context:
        """Stage, check, switch, reload, and wait until the workers run it."""
        context = self.stage(module)
        entry = self.entry(context)
        assert not self.check(entry)
        switch(entry.places.state, entry.directory)
        action = self.service.reload_command(entry)
        assert isinstance(action, Signal)
        assert self.runner.run(action).ok
        self.wait_for_generation(context)
        return context

    def generation(self, context: Context) -> str:
        """Return what the generation's socket answers, nothing when nobody is there."""
        path = self.layout.run / f"{context.module}-{context.directory.name}-generation.sock"
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(PATIENCE)
                client.connect(str(path))
                return http(client, "/generation", "generation").partition("\r\n\r\n")[2]
        except (ConnectionError, FileNotFoundError):
            return ""

    def wait_for_generation(self, context: Context) -> None:
        until(lambda: self.generation(context).startswith(f'{{"generation": {context.generation}, '))

    @property
    def master(self) -> int | None:
        return process_of(self.service.pid_path(self.layout.service("nginx")))

    def workers(self) -> list[int]:
        """Return the master's children."""
        return children(self.master or 0)

    def kill(self) -> None:
        """End master and workers as the OOM killer does, with the connections that are still open."""
        kill_all([self.master])

    stop = kill

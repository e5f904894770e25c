"""Hook specifications: everything that a plugin can do.

A plugin is a Python module named in the entry-point group ``chainwright``, or a root-owned file in
``/etc/chainwright/plugins/``. Installed is not enabled: ``[modules.NAME]`` enables a module, ``[plugins.NAME]`` a plugin that
has none. Hooks are only ever extended by new parameters; an implementation may take fewer. The first hooks are asked of every
plugin when it is loaded. Those of a life are asked of one module or service at a time, in the order of this file: `Module` and
`Service` have a plain method of the same name for each, which a plugin overrides without any mark. Another plugin, a policy, can
wrap each of them with ``@hookimpl(wrapper=True)``: ``asked`` is the `Module` or `Service` that is asked, ``asked.instance`` its
name, ``yield`` gives its answer, and the policy returns one like it. A plugin does no I/O in any of them: it returns data,
commands and probes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from agent.contract.markers import hookspec

if TYPE_CHECKING:
    from pathlib import Path

    import click

    from agent.contract.appliance import Appliance
    from agent.contract.challenge_window import ChallengeWindow
    from agent.contract.context import ChainFacts, Change, Consequence, Context, ServiceContext
    from agent.contract.dns_solver import DnsSolver
    from agent.contract.endpoint import Endpoint
    from agent.contract.file import ChainFile, Template, Text
    from agent.contract.module import Module
    from agent.contract.notifier import Notifier
    from agent.contract.plugin_settings import PluginSettings
    from agent.contract.service import Service
    from agent.contract.source import Source
    from agent.model.events import Event
    from agent.model.need import HostFacts, Need
    from agent.system.command import Action, Command
    from agent.system.places import Places


# Contributions


@hookspec
def register_modules() -> Iterable[type[Module]]:  # type: ignore[empty-body]
    """Return the module classes of this plugin.

    When it raises: the plugin is disabled with its modules, and ``chainwright plugins`` says why.

    ```python
    @hookimpl
    def register_modules() -> list[type[Module]]:
        return [Stunnel]
    ```
    """


@hookspec
def register_services() -> Iterable[type[Service]]:  # type: ignore[empty-body]
    """Return the service classes that modules name in `Module.services`.

    When it raises: the plugin is disabled; modules that name its services say so in their state.

    ```python
    @hookimpl
    def register_services() -> list[type[Service]]:
        return [Tunneld]
    ```
    """


@hookspec
def register_sources() -> Iterable[type[Source]]:  # type: ignore[empty-body]
    """Return source classes; one becomes a rung when ``sources = [...]`` names it.

    When it raises: the plugin is disabled; the settings that name its source are refused.

    ```python
    @hookimpl
    def register_sources() -> list[type[Source]]:
        return [Vault]
    ```
    """


@hookspec
def register_dns_solvers() -> Iterable[type[DnsSolver]]:  # type: ignore[empty-body]
    """Return classes that publish DNS-01 answers; one is used when ``[dns.NAME]`` configures it.

    When it raises: the plugin is disabled.

    ```python
    @hookimpl
    def register_dns_solvers() -> list[type[DnsSolver]]:
        return [Script]
    ```
    """


@hookspec
def register_notifiers() -> Iterable[type[Notifier]]:  # type: ignore[empty-body]
    """Return classes that tell somebody else of events; one is used when ``[notify.NAME]`` configures it.

    When it raises: the plugin is disabled.

    ```python
    @hookimpl
    def register_notifiers() -> list[type[Notifier]]:
        return [Webhook]
    ```
    """


@hookspec
def register_settings() -> type[PluginSettings]:  # type: ignore[empty-body]
    """Return the class of the table ``[plugins.NAME]``, for a plugin with settings that are no module's.

    Its instance is asked for the hooks that its methods answer, as `on_event`, and wrappers of a policy.

    When it raises: the plugin is disabled.

    ```python
    @hookimpl
    def register_settings() -> type[PluginSettings]:
        return Settings
    ```
    """


@hookspec
def register_commands(commands: click.Group, appliance: Appliance) -> None:
    """Add commands to ``chainwright``.

    `commands` is a click group named after the plugin, left out while it is empty; `appliance` is all that a command gets
    of the core. What a command finds out goes through its `answer`, which minds ``--json``. When it raises: the plugin's
    commands are missing and ``chainwright plugins`` says why.

    ```python
    @hookimpl
    def register_commands(commands: click.Group, appliance: Appliance) -> None:
        @commands.command("count")
        def count() -> None:
            count = len(appliance.status()["chains"])
            appliance.answer({"chains": count}, [str(count)])
    ```
    """


# The life of a module


@hookspec(firstresult=True)
def declare_needs(asked: Module, host: HostFacts) -> list[Need]:  # type: ignore[empty-body]
    """Return the chains that the module asks for; asked in each pass.

    When it raises: the module keeps its last needs and its live generation and is named in the status.

    ```python
    def declare_needs(self, host: HostFacts) -> list[Need]:
        return [self.need(self.domain, slot="tunnel")]
    ```
    """


@hookspec(firstresult=True)
def names_to_resolve(asked: Module, host: HostFacts) -> list[str]:  # type: ignore[empty-body]
    """Return host names that the module needs addresses of: its service would not start with one that doesn't resolve.

    The core asks the machine's resolver, again and again, at most 2,000 names a module. `Context.addresses` is what is known of
    one when files are rendered: of a name that doesn't resolve any more the last addresses, of one that never did none. A module
    that yields addresses or ``localhost`` as well gets these back.

    When it raises: the module keeps its last needs and its live generation and is named in the status.

    ```python
    def names_to_resolve(self, host: HostFacts) -> list[str]:
        return [self.domain]
    ```
    """


@hookspec(firstresult=True)
def receive_chains(asked: Module, chains: Mapping[str, ChainFacts]) -> list[ChainFile]:  # type: ignore[empty-body]
    """Say what files of key and chain parts come of the chains, by slot.

    When it raises: nothing is staged, the live generation stays.

    ```python
    def receive_chains(self, chains: Mapping[str, ChainFacts]) -> list[ChainFile]:
        return [ChainFile(path=f"{slot}.pem", slot=slot, parts=(Part.KEY, Part.FULLCHAIN)) for slot in chains]
    ```
    """


@hookspec(firstresult=True)
def render_files(asked: Module, context: Context) -> list[Template | Text]:  # type: ignore[empty-body]
    """Return the configuration files of a generation. The core renders and installs them.

    When it raises: nothing is staged, the live generation stays.

    ```python
    def render_files(self, context: Context) -> list[Template | Text]:
        return [Template(path="tunnel.conf", values={"port": self.port})]
    ```
    """


@hookspec(firstresult=True)
def prepare_command(asked: Module, context: Context) -> list[Command]:  # type: ignore[empty-body]
    """Return commands that run in the staged generation before the check, as ``postmap`` does.

    When it raises, or one of them fails: the generation is refused, nothing has changed.

    ```python
    def prepare_command(self, context: Context) -> list[Command]:
        return [Command(("cp", f"{context.directory}/tunnel.conf", f"{context.directory}/tunnel.bak"))]
    ```
    """


@hookspec(firstresult=True)
def check_command(asked: Module | Service, context: Context | ServiceContext) -> Command | None:
    """Return the service's own test of what is staged.

    Here and below: of a module with a service of its own, whose generation it is; or of a service that modules share, whose
    candidate entry is in ``context.directory``.

    When it raises, or the command fails: the generation is refused, nothing has changed.

    ```python
    def check_command(self, context: Context) -> Command | None:
        return Command(("grep", "-q", "accept", f"{context.directory}/tunnel.conf"))
    ```
    """


@hookspec(firstresult=True)
def reload_command(asked: Module | Service, context: Context | ServiceContext) -> Action | None:
    """Return what makes the service read its files again. It is run where the service runs, or is seen to listen.

    It isn't told what has changed: another chain alone, another configuration, or both. A service that can be given a chain
    without a reload is asked which generation it runs, and the files of that one, which are kept, are compared with those in the
    context's directory, as examples/plugins/haproxy does: what the service has is what counts, not what it was given last.

    When it raises, or the command fails: the generation is rolled back.

    ```python
    def reload_command(self, context: Context) -> Action | None:
        return Signal(context.places.run / "tunnel.pid")
    ```
    """


@hookspec(firstresult=True)
def running(asked: Module | Service, context: Context | ServiceContext) -> Command | Path | None:
    """Return how to know that the service runs: a command that ends with 0, or its pid file. None: whether its endpoints answer.

    A service that doesn't run is neither reloaded nor judged: the new files wait for its start. Prefer the pid file: it is
    looked at without running anything, and names this service's process. A command such as ``pgrep`` takes another instance for
    it, and ``systemctl is-active`` says nothing without systemd.

    When it raises: nothing is switched, the live generation stays.

    ```python
    def running(self, context: Context) -> Command | Path | None:
        return context.places.run / "tunnel.pid"
    ```
    """


@hookspec(firstresult=True)
def start_command(asked: Module | Service, context: Context | ServiceContext) -> Command | None:
    """Return what starts the service. It is run only where the operator has set ``start = true`` and it doesn't run.

    When it raises: the new files wait for its start. When the command fails: this is told with its words, and it is tried again
    with pauses that grow.

    ```python
    def start_command(self, context: Context) -> Command | None:
        return Command(("tunneld", f"{context.places.live}/tunnel.conf"))
    ```
    """


@hookspec(firstresult=True)
def confirm_command(asked: Module | Service, context: Context | ServiceContext) -> Command | None:
    """Return a command that ends with 0 once the service runs what is in the context's directory.

    It is tried after the reload until it does, for as long as endpoints are probed. Without one, and without an endpoint that
    shows the generation's number, a change of the configuration alone is "switched, not seen".

    When it raises, or the command still fails: the generation is rolled back. A command that isn't installed confirms nothing.

    ```python
    def confirm_command(self, context: Context) -> Command | None:
        return Command(("grep", "-q", f"/{context.generation}/", str(context.places.run / "tunnel.loaded")))
    ```
    """


@hookspec(firstresult=True)
def probes(asked: Module, context: Context) -> list[Endpoint]:  # type: ignore[empty-body]
    """Return where each slot's chain is seen on the wire: before the switch, after it, and for drift.

    When it raises: the generation is rolled back, as nothing can be believed.

    ```python
    def probes(self, context: Context) -> list[Endpoint]:
        return [Endpoint(port=self.port, server_name=self.domain, slot=slot) for slot in context.chains]
    ```
    """


# Asked while nothing is deployed


@hookspec(firstresult=True)
def observe_command(asked: Module | Service, context: Context | ServiceContext) -> Command | None:
    """Return a command that prints how the service is that runs.

    Each line is a JSON object: `state_line`, `finding_line` and `differs_line` make them. It looks and changes nothing, is run
    in each pass and by the daemon once a minute, and gets fifteen seconds and a megabyte. `context` is that of the generation
    in service.

    When it raises, or the command fails: a finding says so; nothing else comes of it.

    ```python
    def observe_command(self, context: Context) -> Command | None:
        return Command(("cat", str(context.places.run / "tunnel.states")))
    ```
    """


@hookspec(firstresult=True)
def mend_command(asked: Module | Service, context: Context | ServiceContext, subject: str) -> Command | None:
    """Return a command that tries to end a state of `subject` that was observed with ``mend``, as dialling does.

    It is run in a pass, with pauses that grow from half a minute to a quarter of an hour, as long as the state is the same.
    What it prints when it fails is the reason that is told.

    When it raises: the state stays, and a finding says so.

    ```python
    def mend_command(self, context: Context, subject: str) -> Command | None:
        return Command(("tunnelctl", "dial", subject.removeprefix("tunnel ")))
    ```
    """


# A service that modules share: what only it is asked


@hookspec(firstresult=True)
def render_entry(asked: Service, context: ServiceContext) -> list[Template | Text]:  # type: ignore[empty-body]
    r"""Return the files of the entry, which include the generations of the modules in ``context.parts``.

    When it raises: nothing is staged, what is live stays.

    ```python
    def render_entry(self, context: ServiceContext) -> list[Template | Text]:
        included = "".join(f"include {part.directory}/site.conf\n" for part in context.parts)
        return [Text(path="tunneld.conf", text=included)]
    ```
    """


@hookspec(firstresult=True)
def included_command(asked: Service, context: ServiceContext) -> Command | None:
    """Return what sees whether the administrator's main file names the entry: it ends with 0, or prints what to add.

    Until it does, files are put in place, so that they exist when the line is added, and the service isn't reloaded.

    When it raises: it is taken for included.

    ```python
    def included_command(self, context: ServiceContext) -> Command | None:
        return Command(("grep", "-q", "include /etc/tunneld/chainwright.conf", "/etc/tunneld/tunneld.conf"))
    ```
    """


@hookspec(firstresult=True)
def diagnose_command(asked: Service, context: ServiceContext) -> Command | None:
    """Return what prints what is wrong in the configuration that the service would start with, and its test doesn't say.

    It prints lines as `observe_command` does, with a "why" and a "fix" that name file and line, and ends with 0 whatever it
    finds. It is run after a deployment, at each look and while the service waits.

    When it raises, or the command fails: a finding says so; nothing else comes of it.

    ```python
    def diagnose_command(self, context: ServiceContext) -> Command | None:
        return Command(("tunnel-lint", f"{context.directory}/tunneld.conf"))
    ```
    """


@hookspec(firstresult=True)
def why_unseen(asked: Service, places: Places) -> str:  # type: ignore[empty-body]
    """Return why a switch shows nowhere, as far as the administrator's main file tells; empty: it tells nothing.

    A clause without a full stop, with the line to add. It is asked only where what was switched is not seen.

    When it raises: it tells nothing.

    ```python
    def why_unseen(self, places: Places) -> str:
        return "" if places.run.exists() else f"{places.run} is missing; make it"
    ```
    """


@hookspec(firstresult=True)
def warnings_in(asked: Service, output: str) -> list[str]:  # type: ignore[empty-body]
    """Return the lines in the output of a test that succeeded that warn of something.

    Those that name a name or a file of the modules are told: nginx ignores a server of ours whose name another one has.

    When it raises: the generation is refused, nothing has changed.

    ```python
    def warnings_in(self, output: str) -> list[str]:
        return [line for line in output.splitlines() if line.startswith("warning:")]
    ```
    """


@hookspec(firstresult=True)
def cure_for(asked: Service, output: str) -> str:  # type: ignore[empty-body]
    """Return what mends that which the output of a test or a start complains of; empty: it says so itself.

    A sentence to which ", then: chainwright apply" is added. Warnings that have one are told whatever they name.

    When it raises: the service's own words are told without it.

    ```python
    def cure_for(self, output: str) -> str:
        return "Give the address to one of the two services" if "in use" in output else ""
    ```
    """


@hookspec(firstresult=True)
def awaits_network(asked: Service, output: str, addressed: bool) -> bool:  # type: ignore[empty-body]
    """Return whether a test has failed for want of a network, which comes later in a boot: a name that isn't resolved yet.

    Asked at boot alone, where what is in service is left as it is then. `addressed`: this machine has an address already.

    When it raises: the test has failed.

    ```python
    def awaits_network(self, output: str, addressed: bool) -> bool:
        return not addressed and "host not found" in output
    ```
    """


# Asked before anything dangerous


@hookspec(firstresult=True)
def inspect_command(asked: Module, context: Context) -> Command | None:
    """Return a command that prints what runs now: sessions, IPsec peers. `context` is that of the generation in service.

    It gets ten seconds at most: a person waits. When it raises, or the command fails: the consequences are asked with an
    empty observation, and this is said.

    ```python
    def inspect_command(self, context: Context) -> Command | None:
        return Command(("printf", "session alice"))
    ```
    """


@hookspec(firstresult=True)
def consequences_of(asked: Module, change: Change, observed: str) -> list[Consequence]:  # type: ignore[empty-body]
    """Return what a change of root, chain or setting would break, by name; `observed` is the inspection's output.

    `change.kind` is ``root`` (another one signs), ``retirement`` (one that was replaced is believed no longer), ``chain`` (it is
    deleted, reissued or revoked), ``peer`` (a certificate that the root has signed for others is revoked) or ``setting``;
    `change.slots` are the module's own slots that get another chain. Where a new root is `bridged` and the present one is
    `still_believed`, nobody is cut off by it.

    When it raises: the administrator is told that this module could not say.

    ```python
    def consequences_of(self, change: Change, observed: str) -> list[Consequence]:
        names = [line.split()[1] for line in observed.splitlines() if line.startswith("session ")]
        return [Consequence(f"The session of {name} drops.", severity="outage") for name in names]
    ```
    """


# While a CA looks


@hookspec
def challenge_window(window: ChallengeWindow) -> Command | None:
    """Return the command that lets a CA in at some ports, or keeps it out again: for a firewall of the appliance itself.

    It is asked of plugins as a whole, by a function or a method of their settings, in workers that hold no lock, with ten seconds
    for each answer. Both commands are asked for before the first is run, and kept: what a process left open that was killed is
    closed by the next one, though the plugin may be gone then. Each gets twenty seconds. Orders run at the same time, also at
    one port: what one window opened must stay open when another one is closed, so name it after ``window.id``. A command that
    closes may be run again, and where the window was never opened.

    When it raises, or hangs: its window isn't opened, an event names the plugin, and the order goes on. When the command that
    opens fails: the CA isn't told to look, and the order is tried again later. When the one that closes fails: a finding says so
    until it has succeeded.

    ```python
    @hookimpl
    def challenge_window(window: ChallengeWindow) -> Command | None:
        return Command(("fwctl", window.action, window.id, *map(str, window.ports)))
    ```
    """


# Observers


@hookspec
def on_event(event: Event) -> None:
    """See each event of the agent, once it is stored.

    It is asked in a process of its own, of one event at a time and in their order, with ten seconds for each. Nothing waits for
    it. An event may come twice, when that process is killed.

    When it raises, or hangs: that event is passed over, other observers are told, and the status names the plugin.

    ```python
    @hookimpl
    def on_event(event: Event) -> None:
        if event.kind == "rolled_back":
            notify(event.text)
    ```
    """

"""Hook specifications: everything that a plugin can do.

A plugin is a Python module named in the entry-point group ``chainwright``, or a root-owned file in
``/etc/chainwright/plugins/``. Installed is not enabled: ``[modules.NAME]`` enables a module, ``[plugins.NAME]`` a plugin that
has none. Hooks are only ever extended by new parameters; an implementation may take fewer. The first seven hooks are
asked of every plugin when it is loaded. Those of the life of a module are asked of one module at a time, in the order of
this file; `Module` answers them from its class attributes and plain methods. A policy plugin can wrap each of
them with ``@hookimpl(wrapper=True)``: where a hook returns a list, ``yield`` gives it a list of such lists, and it may return
either. A plugin does no I/O in any of them: it returns data, commands and probes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from agent.contract.markers import hookspec

if TYPE_CHECKING:
    import click

    from agent.contract.appliance import Appliance
    from agent.contract.context import ChainFacts, Change, Consequence, Context
    from agent.contract.endpoint import Endpoint
    from agent.contract.file import ChainFile, Template, Text
    from agent.contract.module import Module
    from agent.contract.notifier import Notifier
    from agent.contract.plugin_settings import PluginSettings
    from agent.contract.service import Service
    from agent.contract.source import DnsSolver, Source
    from agent.model.events import Event
    from agent.model.need import HostFacts, Need
    from agent.system.command import Action, Command


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


@hookspec
def declare_needs(host: HostFacts) -> list[Need]:  # type: ignore[empty-body]
    """Return the chains that the module asks for; asked in each pass.

    When it raises: the module keeps its last needs and its live generation and is named in the status.

    ```python
    @hookimpl
    def declare_needs(self, host: HostFacts) -> list[Need]:
        return [self.need(self.domain, slot="tunnel")]
    ```
    """


@hookspec
def names_to_resolve(host: HostFacts) -> list[str]:  # type: ignore[empty-body]
    """Return host names that the module needs addresses of: its service would not start with one that doesn't resolve.

    The core asks the machine's resolver, again and again, at most 2,000 names a module. `Context.addresses` is what is known of
    one when files are rendered: of a name that doesn't resolve any more the last addresses, of one that never did none. A module
    that yields addresses or ``localhost`` as well gets these back.

    When it raises: the module keeps its last needs and its live generation and is named in the status.

    ```python
    @hookimpl
    def names_to_resolve(self, host: HostFacts) -> list[str]:
        return [self.domain]
    ```
    """


@hookspec
def receive_chains(chains: Mapping[str, ChainFacts]) -> list[ChainFile]:  # type: ignore[empty-body]
    """Say what files of key and chain parts come of the chains, by slot.

    When it raises: nothing is staged, the live generation stays.

    ```python
    @hookimpl
    def receive_chains(self, chains: Mapping[str, ChainFacts]) -> list[ChainFile]:
        return [ChainFile(path=f"{slot}.pem", slot=slot, parts=(Part.KEY, Part.FULLCHAIN)) for slot in chains]
    ```
    """


@hookspec
def render_files(context: Context) -> list[Template | Text]:  # type: ignore[empty-body]
    """Return the configuration files of a generation. The core renders and installs them.

    When it raises: nothing is staged, the live generation stays.

    ```python
    @hookimpl
    def render_files(self, context: Context) -> list[Template | Text]:
        return [Template(path="tunnel.conf", values={"port": self.port})]
    ```
    """


@hookspec
def prepare_command(context: Context) -> list[Command]:  # type: ignore[empty-body]
    """Return commands that run in the staged generation before the check, as ``postmap`` does.

    When it raises, or one of them fails: the generation is refused, nothing has changed.

    ```python
    @hookimpl
    def prepare_command(self, context: Context) -> list[Command]:
        return [Command(("cp", f"{context.directory}/tunnel.conf", f"{context.directory}/tunnel.bak"))]
    ```
    """


@hookspec(firstresult=True)
def check_command(context: Context) -> Command | None:
    """Return the service's own test of the staged generation, for a module with a service of its own.

    When it raises, or the command fails: the generation is refused, nothing has changed.

    ```python
    @hookimpl
    def check_command(self, context: Context) -> Command | None:
        return Command(("grep", "-q", "accept", f"{context.directory}/tunnel.conf"))
    ```
    """


@hookspec(firstresult=True)
def reload_command(context: Context) -> Action | None:
    """Return what makes the service read its files again, for a module with a service of its own.

    When it raises, or the command fails: the generation is rolled back.

    ```python
    @hookimpl
    def reload_command(self, context: Context) -> Action | None:
        return Signal(context.places.run / "tunnel.pid")
    ```
    """


@hookspec(firstresult=True)
def confirm_command(context: Context) -> Command | None:
    """Return a command that ends with 0 once the service runs this generation, for a module with a service of its own.

    It is tried after the reload until it does, for as long as endpoints are probed. Without one, and without an endpoint that
    shows the generation's number, a change of the configuration alone is "switched, not seen".

    When it raises, or the command still fails: the generation is rolled back. A command that isn't installed confirms nothing.

    ```python
    @hookimpl
    def confirm_command(self, context: Context) -> Command | None:
        return Command(("grep", "-q", f"/{context.generation}/", str(context.places.run / "tunnel.loaded")))
    ```
    """


@hookspec
def probes(context: Context) -> list[Endpoint]:  # type: ignore[empty-body]
    """Return where each slot's chain is seen on the wire: before the switch, after it, and for drift.

    When it raises: the generation is rolled back, as nothing can be believed.

    ```python
    @hookimpl
    def probes(self, context: Context) -> list[Endpoint]:
        return [Endpoint(port=self.port, server_name=self.domain, slot=slot) for slot in context.chains]
    ```
    """


# Asked while nothing is deployed


@hookspec(firstresult=True)
def observe_command(context: Context) -> Command | None:
    """Return a command that prints how the service is that runs, for a module with a service of its own.

    Each line is a JSON object: `state_line`, `finding_line` and `differs_line` make them. It looks and changes nothing, is run
    in each pass and by the daemon once a minute, and gets fifteen seconds and a megabyte. `context` is that of the generation
    in service.

    When it raises, or the command fails: a finding says so; nothing else comes of it.

    ```python
    @hookimpl
    def observe_command(self, context: Context) -> Command | None:
        return Command(("cat", str(context.places.run / "tunnel.states")))
    ```
    """


@hookspec(firstresult=True)
def mend_command(context: Context, subject: str) -> Command | None:
    """Return a command that tries to end a state of `subject` that was observed with ``mend``, as dialling does.

    It is run in a pass, with pauses that grow from half a minute to a quarter of an hour, as long as the state is the same.
    What it prints when it fails is the reason that is told.

    When it raises: the state stays, and a finding says so.

    ```python
    @hookimpl
    def mend_command(self, context: Context, subject: str) -> Command | None:
        return Command(("tunnelctl", "dial", subject.removeprefix("tunnel ")))
    ```
    """


# Asked before anything dangerous


@hookspec(firstresult=True)
def inspect_command(context: Context) -> Command | None:
    """Return a command that prints what runs now: sessions, IPsec peers. `context` is that of the generation in service.

    It gets ten seconds at most: a person waits. When it raises, or the command fails: the consequences are asked with an
    empty observation, and this is said.

    ```python
    @hookimpl
    def inspect_command(self, context: Context) -> Command | None:
        return Command(("printf", "session alice"))
    ```
    """


@hookspec
def consequences_of(change: Change, observed: str) -> list[Consequence]:  # type: ignore[empty-body]
    """Return what a change of root, chain or setting would break, by name; `observed` is the inspection's output.

    `change.kind` is ``root`` (another one signs), ``retirement`` (one that was replaced is believed no longer), ``chain`` (it is
    deleted, reissued or revoked), ``peer`` (a certificate that the root has signed for others is revoked) or ``setting``;
    `change.slots` are the module's own slots that get another chain. Where a new root is `bridged` and the present one is
    `still_believed`, nobody is cut off by it.

    When it raises: the administrator is told that this module could not say.

    ```python
    @hookimpl
    def consequences_of(self, change: Change, observed: str) -> list[Consequence]:
        names = [line.split()[1] for line in observed.splitlines() if line.startswith("session ")]
        return [Consequence(f"The session of {name} drops.", "outage") for name in names]
    ```
    """


# Observers


@hookspec
def on_event(event: Event) -> None:
    """See each event of the agent, after it has been stored.

    When it raises: the agent goes on, other observers are told, and the status names the plugin.

    ```python
    @hookimpl
    def on_event(event: Event) -> None:
        if event.kind == "rolled_back":
            notify(event.text)
    ```
    """

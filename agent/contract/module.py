"""`Module`: base class of the declarations of plugins, whose instances are the operator's ``[modules.NAME]`` tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from agent.contract.context import ChainFacts, Change, Consequence, Context
from agent.contract.declaration import Declaration
from agent.contract.endpoint import Endpoint
from agent.contract.fields import Wildcards
from agent.contract.file import ChainFile, File, Template, Text
from agent.contract.keeping import KeepFor
from agent.contract.window import Window
from agent.model.need import HostFacts, Need
from agent.pki.chain import KeyType
from agent.system.command import Action, Command

Argv = tuple[str, ...]
TLS_KEY_TYPES = (KeyType.ECDSA_P256, KeyType.RSA_2048, KeyType.ECDSA_P384, KeyType.RSA_3072, KeyType.RSA_4096)
"""What every TLS server takes, in the order in which most prefer them. Ed25519 is left out: public CAs don't sign it."""


class Module(Declaration):
    """Part of the appliance that uses chains.

    Fields are the operator's settings; class attributes and methods are the plugin's answers. Most plugins set
    `name`, `files`, `check`, `reload` and override `declare_needs` and `probes`. In commands ``{dir}`` (the generation's own
    directory), ``{live}`` and ``{run}`` are filled in, and ``{slot}`` in `files`: see `agent.contract.placeholders`.
    """

    files: ClassVar[tuple[File, ...]] = ()
    key_types: ClassVar[tuple[KeyType, ...]] = (KeyType.ECDSA_P256, KeyType.RSA_2048)
    """Accepted by the service, in order of preference."""
    services: ClassVar[tuple[str, ...]] = ()
    """Registered services that read these files; empty: a service of its own, tested and reloaded by what follows."""
    prepare: ClassVar[Argv] = ()
    check: ClassVar[Argv] = ()
    reload: ClassVar[Argv] = ()
    confirm: ClassVar[Argv] = ()
    """Ends with 0 once the service runs the new configuration; tried after the reload until it does, or time is up."""
    inspect: ClassVar[Argv] = ()
    disruptive: ClassVar[bool] = False
    """A reload drops sessions."""
    verifies_peers: ClassVar[bool] = False
    """It verifies what the appliance's root has signed for others: it is given the roots with their lists of revoked
    certificates (`Context.issuers`), and a new generation when one of them changes."""
    user: ClassVar[str] = ""
    """Owner of the module's secret files by default; empty: root."""
    group: ClassVar[str] = ""
    """Group of the module's directories and files; empty: root, and no other user may read them."""
    keeps_first_files: ClassVar[bool] = False
    """Its files are for a configuration that somebody else writes, who can name them only once they are there: the first ones
    stay where a reload fails or the service goes on with other ones."""
    takes_wildcards: ClassVar[bool] = True
    """Clients accept a chain whose wildcard covers the name that they want. False: one is never asked for in place of names."""
    unprobed: ClassVar[str] = ""
    """Why nothing can be seen on the wire, for the rare module that has no endpoint."""

    sources: tuple[str, ...] | None = Field(None, description="rungs of the ladder that this module may use")
    key_type: KeyType | None = Field(None, description="key type to ask for; one that the service accepts")
    key: Literal["new", "keep"] = Field(
        "new",
        description="whether each new chain gets a new key, or the one of the chain before for as long as `keep_for` says",
    )
    keep_for: KeepFor = Field(
        "400 days",
        validate_default=True,
        description='how long `key = "keep"` keeps a key: "10 renewals" or "400 days"',
    )
    pin: str | None = Field(None, description="id or name of the uploaded chain to prefer")
    wildcards: Wildcards | None = Field(
        None,
        description="wildcards to ask for in place of the names that they cover, so that one chain serves all of these; "
        "default: the top level's, [] for none",
    )
    window: Window | None = Field(None, description='when a new chain may be activated, for example "03:00-05:00"')
    start: bool = Field(False, description="whether the agent may start the module's own service when it isn't running")

    @model_validator(mode="after")
    def _start_is_of_the_own_service(self) -> Self:
        if self.start and self.services:
            raise ValueError(f"start: its service is started by [services.{self.services[0]}] start = true")
        if self.start and type(self).start_command is Module.start_command:
            raise ValueError("start: its plugin doesn't say how to start the service; start it by other means")
        return self

    # The life of a module: hooks, which a policy plugin can wrap (`agent.hookspecs` has what each is for)

    def declare_needs(self, host: HostFacts) -> Iterable[Need]:
        """Return the chains that this module asks for."""
        raise NotImplementedError

    def names_to_resolve(self, host: HostFacts) -> Iterable[str]:
        """Return host names that this module needs addresses of, as its service must not look them up when it starts.

        They are asked for again and again, and files are rendered with what is known of them (`Context.addresses`).
        """
        return ()

    def receive_chains(self, chains: Mapping[str, ChainFacts]) -> Iterable[ChainFile]:
        """Say what files of key and chain parts come of `chains`. Default: those in `files`."""
        return [file for file in self.files if isinstance(file, ChainFile)]

    def render_files(self, context: Context) -> Iterable[Template | Text]:
        """Return the configuration files. Default: those in `files`."""
        return [file for file in self.files if isinstance(file, Template | Text)]

    def prepare_command(self, context: Context) -> Iterable[Command]:
        """Return what runs in the staging directory before the check (postmap). Default: `prepare`."""
        return [command] if (command := self._command(self.prepare)) else []

    def check_command(self, context: Context) -> Command | None:
        """Return the service's own test of this generation. Default: `check`."""
        return self._command(self.check)

    def reload_command(self, context: Context) -> Action | None:
        """Return what makes the service read its files again. Default: `reload`."""
        return self._command(self.reload)

    def confirm_command(self, context: Context) -> Command | None:
        """Return what ends with 0 once the service runs this generation, where no endpoint shows the generation's number.

        Default: `confirm`.
        """
        return self._command(self.confirm)

    def running(self, context: Context) -> Command | Path | None:
        """Return how to know that the service runs: a command that ends with 0, or its pid file. None: by its endpoints."""
        return None

    def start_command(self, context: Context) -> Command | None:
        """Return what starts the service, where the operator has set ``start = true``. None: the agent can't."""
        return None

    def probes(self, context: Context) -> Iterable[Endpoint]:
        """Return where each slot's chain is seen on the wire."""
        return ()

    def observe_command(self, context: Context) -> Command | None:
        """Return what prints how the service is that runs: lines of `state_line`, `finding_line` and `differs_line`.

        It changes nothing. For a module with a service of its own; else the service's is asked.
        """
        return None

    def mend_command(self, context: Context, subject: str) -> Command | None:
        """Return what tries to end a state of `subject` that was observed with ``mend``; it is run with growing pauses."""
        return None

    def inspect_command(self, context: Context) -> Command | None:
        """Return a command that prints what runs now (sessions, peers). Default: `inspect`."""
        return self._command(self.inspect)

    def consequences_of(self, change: Change, observed: str) -> Iterable[Consequence]:
        """Return what `change` would break, by name. `observed` is the output of the inspection.

        Default: that sessions drop, where a reload does that and a chain changes.
        """
        if self.disruptive and change.slots:
            return [
                Consequence("Everybody who is connected is cut off when the new chain is taken.", severity="outage")
            ]
        return ()

    # What else a plugin may say

    @property
    def checks_in_place(self) -> bool:
        """True where the test reads what is published at fixed paths: then it runs after the rename, and before the reload."""
        return False

    # For plugins

    def need(self, *names: str, slot: str = "default", **more: object) -> Need:
        """Return a need with this module's key types, sources, pin and wish for its key, unless `more` says otherwise."""
        defaults: dict[str, object] = {
            "key_types": self.accepted_key_types,
            "sources": self.sources,
            "pin": self.pin,
            "keep_key": self.keep_for if self.key == "keep" else None,
        }
        return Need(names=names, slot=slot, **{**defaults, **more})  # type: ignore[arg-type]

    @property
    def accepted_key_types(self) -> tuple[KeyType, ...]:
        """The service's key types, the operator's choice first."""
        if self.key_type is None:
            return self.key_types
        return (self.key_type, *(each for each in self.key_types if each is not self.key_type))

    @property
    def file_user(self) -> str:
        """Owner of key files; a plugin whose settings name the user overrides it. Empty: root."""
        return self.user

    @property
    def file_group(self) -> str:
        """Group of directories and files; a plugin whose settings name the group overrides it. Empty: root."""
        return self.group

    @property
    def api_user(self) -> str:
        """User whose processes may connect to the agent's local API; empty: none for this module."""
        return ""

    @staticmethod
    def _command(argv: Argv) -> Command | None:
        return Command(argv) if argv else None

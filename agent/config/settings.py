"""Settings as data: what an administrator may write, with types, bounds and defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from agent.config.files import Origins, SettingsFile
from agent.contract.fields import Host, Resolvers, Wildcards
from agent.contract.module import Module
from agent.contract.notifier import Notifier
from agent.contract.plugin_settings import PluginSettings
from agent.contract.service import Service
from agent.errors.plugin import PluginError
from agent.pki.key import KeyType
from agent.registry.dns_solvers import DnsHandle
from agent.registry.sources import SourceHandle
from agent.system.names import is_address, parse_name


def _host_name(text: str) -> str:
    if is_address(text):
        raise ValueError("must be a host name, not an address")
    return text


def _address(text: str) -> str:
    name = parse_name(text)
    if not is_address(name):
        raise ValueError("must be an IP address, for example 192.0.2.1 or 2001:db8::1")
    return name


def _ladder(sources: tuple[str, ...]) -> tuple[str, ...]:
    twice = next((each for each in sources if sources.count(each) > 1), None)
    if twice is not None:
        raise ValueError(f'names "{twice}" twice')
    return sources


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must not hold control characters")
    return text


def _of_different_kinds(key_type: KeyType | tuple[KeyType, ...]) -> KeyType | tuple[KeyType, ...]:
    if not isinstance(key_type, KeyType) and len({each.kind for each in key_type}) < len(key_type):
        raise ValueError("must not be two of one kind: one root is for RSA keys, and one for the others")
    return key_type


HostName = Annotated[Host, AfterValidator(_host_name)]
IpAddress = Annotated[str, AfterValidator(_address)]
Subject = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_printable)]
"""RFC 5280 appendix A: ub-common-name and ub-organization-name are 64."""
KeyTypes = Annotated[
    KeyType | Annotated[tuple[KeyType, ...], Field(min_length=1, max_length=2)], AfterValidator(_of_different_kinds)
]


class _SettingsTable(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class RootSettings(_SettingsTable):
    """``[root]``: the appliance's own root. Changes apply to the next root."""

    subject: Subject | None = Field(None, description='common name; default: the host name and "Root CA"')
    organization: Subject | None = None
    lifetime_days: int = Field(3650, ge=1, le=36500)
    key_type: KeyTypes = KeyType.ECDSA_P256
    """One, or two of different kinds: a root for RSA keys, and one for the others."""
    overlap_days: int = Field(
        90,
        ge=0,
        le=3650,
        description="days between the making of the next root and its first signature; at most a quarter of `lifetime_days`",
    )

    @property
    def key_types(self) -> tuple[KeyType, ...]:
        """Key types of the roots: of the main one, and of the one beside it where that is wanted."""
        return (self.key_type,) if isinstance(self.key_type, KeyType) else self.key_type


class ProbeSettings(_SettingsTable):
    """``[probe]``: how endpoints are checked."""

    interval: int = Field(900, ge=1, le=604_800, description="seconds between two checks of an endpoint for drift")
    observe_seconds: int = Field(
        60, ge=5, le=86_400, description="seconds between two looks at what services tell of themselves, by the daemon"
    )
    handshakes: int = Field(3, ge=1, le=20, description="fresh connections in a row that must agree after a switch")
    timeout: float = Field(10.0, gt=0, le=300, allow_inf_nan=False, description="seconds for one endpoint")


class DeploySettings(_SettingsTable):
    """``[deploy]``: what is kept of earlier deployments."""

    keep: int = Field(3, ge=1, le=100, description="generations of each module")


class ResolveSettings(_SettingsTable):
    """``[resolve]``: how the host names that modules need addresses of are looked up."""

    interval: int = Field(60, ge=5, le=86_400, description="seconds until a host name is looked up again")
    timeout: float = Field(3.0, gt=0, le=30, allow_inf_nan=False, description="seconds for all of them together")


class FetchSettings(_SettingsTable):
    """``[fetch]``: what is fetched from addresses that others have chosen."""

    private: bool = Field(
        False,
        description="fetch the lists of revoked certificates that uploads name from addresses of private networks, too",
    )


class DaneSettings(_SettingsTable):
    """``[dane]``: the TLSA records of mail servers and others."""

    check: bool = Field(True, description="ask DNS for the TLSA records of names that modules serve, and compare them")
    resolvers: Resolvers = Field((), description="DNS servers to ask; by default those of the system")


class Dns01Settings(_SettingsTable):
    """``[dns01]``: how it is found out where records that prove names belong, and whether they are there."""

    resolvers: Resolvers = Field(
        (), description="DNS servers that are asked for zones and aliases; by default those of the system"
    )
    seconds: int = Field(
        120, ge=1, le=3600, description="so long it is waited until every server of a zone has the records"
    )


class CoreSettings(_SettingsTable):
    """Top level: all settings but the tables of modules, services, plugins, notifiers, sources and DNS solvers."""

    sources: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_ladder)] = ("uploaded", "acme", "local")
    """The ladder: where chains come from, in order of preference."""
    hostname: HostName | None = Field(None, description="instead of what the system says")
    addresses: tuple[IpAddress, ...] | None = Field(None, description="instead of what the system says")
    wildcards: Wildcards = Field(
        (),
        description="wildcards to ask for in place of the names that they cover, of all modules that don't say otherwise",
    )
    root: RootSettings = RootSettings()
    probe: ProbeSettings = ProbeSettings()
    deploy: DeploySettings = DeploySettings()
    fetch: FetchSettings = FetchSettings()
    resolve: ResolveSettings = ResolveSettings()
    dane: DaneSettings = DaneSettings()
    dns01: Dns01Settings = Dns01Settings()


@dataclass(frozen=True, slots=True)
class ModuleEntry:
    """One ``[modules.NAME]`` table, whether or not it can be used."""

    name: str
    plugin: str
    """Name of the module's class: `Module.name`."""
    title: str
    enabled: bool
    module: Module | None = None
    """None: disabled, or `error` says why it can't be used."""
    error: PluginError | None = None


@dataclass(frozen=True, slots=True)
class PluginEntry:
    """One ``[plugins.NAME]`` table, or what a plugin that is enabled otherwise has in place of one."""

    enabled: bool
    settings: PluginSettings | None = None
    """None: disabled, or the plugin can't be used."""


@dataclass(frozen=True, slots=True)
class NotifierEntry:
    """One ``[notify.NAME]`` table."""

    plugin: str
    """Name of the notifier's class: `Notifier.name`."""
    enabled: bool
    notifier: Notifier | None = None
    """None: disabled, or its plugin can't be used."""


@dataclass(frozen=True, slots=True)
class SolverEntry:
    """One ``[dns.NAME]`` table."""

    plugin: str
    """Name of the solver's class: `DnsSolver.name`."""
    enabled: bool
    handle: DnsHandle | None = None
    """None: disabled."""


@dataclass(frozen=True)
class Settings:
    """All settings, validated. Texts of secrets are only in `agent.contract.fields.SecretText`."""

    core: CoreSettings
    entries: Mapping[str, ModuleEntry]
    """Every module table by name, sorted; those that are disabled or broken too."""
    services: Mapping[str, Service]
    """Registered services that a module uses or a table configures."""
    rungs: Mapping[str, SourceHandle]
    """The sources of the ladder with their settings, in its order."""
    dns: Mapping[str, SolverEntry]
    """Every ``[dns.NAME]`` table by name, sorted."""
    plugins: Mapping[str, PluginEntry]
    """Settings of plugins as a whole, by plugin."""
    notify: Mapping[str, NotifierEntry]
    """Every ``[notify.NAME]`` table by name, sorted."""
    origins: Origins = field(repr=False)
    secret_files: tuple[Path, ...] = ()
    """Files of secrets, outside of the settings."""
    files: tuple[SettingsFile, ...] = field(default=(), repr=False)
    """What the settings were read from."""
    failures: Mapping[str, PluginError] = field(default_factory=dict)
    """Tables of sources, services, plugins and others that can't be used, as code of their plugins failed: ``source.vault``."""

    @property
    def modules(self) -> dict[str, Module]:
        """Return the modules that are enabled and can be used."""
        return {name: entry.module for name, entry in self.entries.items() if entry.module is not None}

    @property
    def sources(self) -> tuple[str, ...]:
        """Return the ladder."""
        return self.core.sources

    @property
    def plugin_settings(self) -> dict[str, PluginSettings]:
        """Return the settings of the plugins that are enabled and can be used."""
        return {name: each.settings for name, each in self.plugins.items() if each.settings is not None}

    @property
    def notifiers(self) -> dict[str, Notifier]:
        """Return the notifiers that are enabled and can be used."""
        return {name: each.notifier for name, each in self.notify.items() if each.notifier is not None}

    @property
    def dns_solvers(self) -> dict[str, DnsHandle]:
        """Return the DNS solvers that are enabled and can be used."""
        return {name: each.handle for name, each in self.dns.items() if each.handle is not None}

    @property
    def hostname(self) -> str | None:
        """Return the host name to use instead of what the system says, canonical."""
        return self.core.hostname

    @property
    def addresses(self) -> tuple[str, ...] | None:
        """Return the addresses to use instead of what the system says, canonical."""
        return self.core.addresses

    @property
    def wildcards(self) -> tuple[str, ...]:
        """Return the wildcards that are preferred to single names."""
        return self.core.wildcards

    @property
    def root(self) -> RootSettings:
        """Return ``[root]``."""
        return self.core.root

    @property
    def probe(self) -> ProbeSettings:
        """Return ``[probe]``."""
        return self.core.probe

    @property
    def deploy(self) -> DeploySettings:
        """Return ``[deploy]``."""
        return self.core.deploy

    @property
    def resolve(self) -> ResolveSettings:
        """Return ``[resolve]``."""
        return self.core.resolve

    @property
    def fetch(self) -> FetchSettings:
        """Return ``[fetch]``."""
        return self.core.fetch

    @property
    def dane(self) -> DaneSettings:
        """Return ``[dane]``."""
        return self.core.dane

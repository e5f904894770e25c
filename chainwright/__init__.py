"""Public API for plugin authors: every name of it, imported when it is first used.

What isn't named here may change without notice.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own takes longer to import than all the rest of this file

_NAMES = {
    "agent.contract.appliance": "Appliance",
    "agent.contract.challenge_window": "ChallengeWindow",
    "agent.contract.context": "ChainFacts Change Consequence Context Http01 Issuer ModulePart ServiceContext",
    "agent.contract.dns_solver": "Dns01 DnsContext DnsSolver TxtRecord",
    "agent.contract.endpoint": "Address Endpoint Expected Probe Served StartTLS concrete_name usable_addresses",
    "agent.contract.fields": "Host Listen ListenAddress ListenAddresses Name PathText Port Secret Url Word",
    "agent.contract.file": "ChainFile Template Text",
    "agent.contract.markers": "hookimpl",
    "agent.contract.masking": "masked",
    "agent.contract.module": "Module TLS_KEY_TYPES",
    "agent.contract.notifier": "Notifier NotifierContext",
    "agent.contract.observation": "differs_line finding_line state_line",
    "agent.contract.plugin_settings": "PluginSettings",
    "agent.contract.service": "Service",
    "agent.contract.slots": "slot_of slots_by_key_type",
    "agent.contract.source": "Due Ledger Memory Offer OrderContext RequestState Source SourceContext",
    "agent.contract.systemd_service": "IncludedService SystemdService",
    "agent.contract.validators": "first_repeated",
    "agent.contract.version": "CONTRACT",
    "agent.dns.exchange": "dns_over_tcp",
    "agent.errors": (
        "AgentError DnsSolverError NewSessionsFail OrderCancelled ProbeFailed SolverMisconfigured SolverRefused "
        "SolverUnreachable SourceError"
    ),
    "agent.model.events": "Event EventKind",
    "agent.model.need": "HostFacts Need Request",
    "agent.model.peer": "Peer PeerState",
    "agent.model.records": "ChainRecord OrderRecord Watch",
    "agent.model.root": "RootPhase",
    "agent.model.tlsa": "TlsaRow",
    "agent.pki.chain": "Chain KeyType PeerCertificate Purpose",
    "agent.pki.encoding": "Format Part",
    "agent.pki.private_key": "PrivateKey",
    "agent.pki.revocation": "RevocationReason",
    "agent.pki.signing_request": "request_pem",
    "agent.probing.plain_stream": "PlainStream",
    "agent.probing.probe": "TLSProbe",
    "agent.system.command": "Action Command Signal",
    "agent.system.http_exchange": "HttpAnswer http_get",
    "agent.system.http_fetch": "HttpFailed http_post",
    "agent.system.names": "covers is_address is_public",
    "agent.system.places": "Places",
    "agent.system.program": "ProgramFailed run_program",
    "plugins.nginx.module": "NginxModule",
    "plugins.nginx.service": "Nginx",
    "plugins.nginx.upstream": "Backend UpstreamBlock",
}
"""Modules, each with its public names: of the core, and of the nginx that modules of all plugins share."""
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}

if TYPE_CHECKING:
    from typing import Any

    from agent.contract.appliance import Appliance as Appliance
    from agent.contract.challenge_window import ChallengeWindow as ChallengeWindow
    from agent.contract.context import ChainFacts as ChainFacts
    from agent.contract.context import Change as Change
    from agent.contract.context import Consequence as Consequence
    from agent.contract.context import Context as Context
    from agent.contract.context import Http01 as Http01
    from agent.contract.context import Issuer as Issuer
    from agent.contract.context import ModulePart as ModulePart
    from agent.contract.context import ServiceContext as ServiceContext
    from agent.contract.dns_solver import Dns01 as Dns01
    from agent.contract.dns_solver import DnsContext as DnsContext
    from agent.contract.dns_solver import DnsSolver as DnsSolver
    from agent.contract.dns_solver import TxtRecord as TxtRecord
    from agent.contract.endpoint import Address as Address
    from agent.contract.endpoint import Endpoint as Endpoint
    from agent.contract.endpoint import Expected as Expected
    from agent.contract.endpoint import Probe as Probe
    from agent.contract.endpoint import Served as Served
    from agent.contract.endpoint import StartTLS as StartTLS
    from agent.contract.endpoint import concrete_name as concrete_name
    from agent.contract.endpoint import usable_addresses as usable_addresses
    from agent.contract.fields import Host as Host
    from agent.contract.fields import Listen as Listen
    from agent.contract.fields import ListenAddress as ListenAddress
    from agent.contract.fields import ListenAddresses as ListenAddresses
    from agent.contract.fields import Name as Name
    from agent.contract.fields import PathText as PathText
    from agent.contract.fields import Port as Port
    from agent.contract.fields import Secret as Secret
    from agent.contract.fields import Url as Url
    from agent.contract.fields import Word as Word
    from agent.contract.file import ChainFile as ChainFile
    from agent.contract.file import Template as Template
    from agent.contract.file import Text as Text
    from agent.contract.markers import hookimpl as hookimpl
    from agent.contract.masking import masked as masked
    from agent.contract.module import TLS_KEY_TYPES as TLS_KEY_TYPES
    from agent.contract.module import Module as Module
    from agent.contract.notifier import Notifier as Notifier
    from agent.contract.notifier import NotifierContext as NotifierContext
    from agent.contract.observation import differs_line as differs_line
    from agent.contract.observation import finding_line as finding_line
    from agent.contract.observation import state_line as state_line
    from agent.contract.plugin_settings import PluginSettings as PluginSettings
    from agent.contract.service import Service as Service
    from agent.contract.slots import slot_of as slot_of
    from agent.contract.slots import slots_by_key_type as slots_by_key_type
    from agent.contract.source import Due as Due
    from agent.contract.source import Ledger as Ledger
    from agent.contract.source import Memory as Memory
    from agent.contract.source import Offer as Offer
    from agent.contract.source import OrderContext as OrderContext
    from agent.contract.source import RequestState as RequestState
    from agent.contract.source import Source as Source
    from agent.contract.source import SourceContext as SourceContext
    from agent.contract.systemd_service import IncludedService as IncludedService
    from agent.contract.systemd_service import SystemdService as SystemdService
    from agent.contract.validators import first_repeated as first_repeated
    from agent.contract.version import CONTRACT as CONTRACT
    from agent.dns.exchange import dns_over_tcp as dns_over_tcp
    from agent.errors import AgentError as AgentError
    from agent.errors import DnsSolverError as DnsSolverError
    from agent.errors import NewSessionsFail as NewSessionsFail
    from agent.errors import OrderCancelled as OrderCancelled
    from agent.errors import ProbeFailed as ProbeFailed
    from agent.errors import SolverMisconfigured as SolverMisconfigured
    from agent.errors import SolverRefused as SolverRefused
    from agent.errors import SolverUnreachable as SolverUnreachable
    from agent.errors import SourceError as SourceError
    from agent.model.events import Event as Event
    from agent.model.events import EventKind as EventKind
    from agent.model.need import HostFacts as HostFacts
    from agent.model.need import Need as Need
    from agent.model.need import Request as Request
    from agent.model.peer import Peer as Peer
    from agent.model.peer import PeerState as PeerState
    from agent.model.records import ChainRecord as ChainRecord
    from agent.model.records import OrderRecord as OrderRecord
    from agent.model.records import Watch as Watch
    from agent.model.root import RootPhase as RootPhase
    from agent.model.tlsa import TlsaRow as TlsaRow
    from agent.pki.chain import Chain as Chain
    from agent.pki.chain import KeyType as KeyType
    from agent.pki.chain import PeerCertificate as PeerCertificate
    from agent.pki.chain import Purpose as Purpose
    from agent.pki.encoding import Format as Format
    from agent.pki.encoding import Part as Part
    from agent.pki.private_key import PrivateKey as PrivateKey
    from agent.pki.revocation import RevocationReason as RevocationReason
    from agent.pki.signing_request import request_pem as request_pem
    from agent.probing.plain_stream import PlainStream as PlainStream
    from agent.probing.probe import TLSProbe as TLSProbe
    from agent.system.command import Action as Action
    from agent.system.command import Command as Command
    from agent.system.command import Signal as Signal
    from agent.system.http_exchange import HttpAnswer as HttpAnswer
    from agent.system.http_exchange import http_get as http_get
    from agent.system.http_fetch import HttpFailed as HttpFailed
    from agent.system.http_fetch import http_post as http_post
    from agent.system.names import covers as covers
    from agent.system.names import is_address as is_address
    from agent.system.names import is_public as is_public
    from agent.system.places import Places as Places
    from agent.system.program import ProgramFailed as ProgramFailed
    from agent.system.program import run_program as run_program
    from plugins.nginx.module import NginxModule as NginxModule
    from plugins.nginx.service import Nginx as Nginx
    from plugins.nginx.upstream import Backend as Backend
    from plugins.nginx.upstream import UpstreamBlock as UpstreamBlock

__all__ = sorted(_HOMES)  # noqa: PLE0605


if not TYPE_CHECKING:  # for a type checker, a name that isn't here is a mistake

    def __getattr__(name: str) -> Any:
        """Import a public name when it is first used: a command with nothing to do must not import cryptography."""
        if name not in _HOMES:
            raise AttributeError(f"module 'chainwright' has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)

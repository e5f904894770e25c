"""Public API for plugin authors: every name of it, imported when it is first used.

What isn't named here may change without notice.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own takes longer to import than all the rest of this file

_HOMES = {
    "Action": "system.command",
    "Address": "contract.endpoint",
    "AgentError": "errors",
    "Appliance": "contract.appliance",
    "Chain": "pki.chain",
    "ChainFacts": "contract.context",
    "ChainFile": "contract.file",
    "Change": "contract.context",
    "Command": "system.command",
    "Consequence": "contract.context",
    "Context": "contract.context",
    "DnsSolver": "contract.source",
    "Due": "contract.source",
    "Endpoint": "contract.endpoint",
    "Event": "model.events",
    "EventKind": "model.events",
    "Expected": "contract.endpoint",
    "Format": "pki.encoding",
    "Host": "contract.fields",
    "HostFacts": "model.need",
    "Http01": "contract.context",
    "HttpConnection": "api.uvicorn_server",
    "HttpServer": "api.uvicorn_server",
    "IncludedService": "contract.systemd_service",
    "Issuer": "contract.context",
    "KeyType": "pki.chain",
    "ListenAddress": "contract.fields",
    "ListenAddresses": "contract.fields",
    "Module": "contract.module",
    "ModulePart": "contract.context",
    "Name": "contract.fields",
    "Need": "model.need",
    "Offer": "contract.source",
    "OrderCancelled": "errors",
    "OrderContext": "contract.source",
    "Part": "pki.encoding",
    "PathText": "contract.fields",
    "Peer": "model.peer",
    "PeerState": "model.peer",
    "Places": "system.places",
    "Port": "contract.fields",
    "Probe": "contract.endpoint",
    "ProbeFailed": "errors",
    "Purpose": "pki.chain",
    "Request": "model.need",
    "RequestState": "contract.source",
    "RevocationReason": "pki.revocation",
    "Secret": "contract.fields",
    "Served": "contract.endpoint",
    "Service": "contract.service",
    "ServiceContext": "contract.context",
    "Signal": "system.command",
    "Source": "contract.source",
    "SourceContext": "contract.source",
    "SourceError": "errors",
    "StartTLS": "contract.endpoint",
    "SystemdService": "contract.systemd_service",
    "TLSProbe": "probing.probe",
    "TLS_KEY_TYPES": "contract.module",
    "Template": "contract.file",
    "Text": "contract.file",
    "Upstream": "contract.fields",
    "Watch": "model.records",
    "Word": "contract.fields",
    "concrete_name": "contract.endpoint",
    "covers": "system.names",
    "first_repeated": "contract.validators",
    "hookimpl": "contract.markers",
    "is_address": "system.names",
    "is_public": "system.names",
    "slot_of": "contract.slots",
    "slots_by_key_type": "contract.slots",
    "told_apart": "contract.slots",
    "usable_addresses": "contract.endpoint",
}
"""The module below `agent` that defines each name."""

if TYPE_CHECKING:
    from typing import Any

    from agent.api.uvicorn_server import HttpConnection as HttpConnection
    from agent.api.uvicorn_server import HttpServer as HttpServer
    from agent.contract.appliance import Appliance as Appliance
    from agent.contract.context import ChainFacts as ChainFacts
    from agent.contract.context import Change as Change
    from agent.contract.context import Consequence as Consequence
    from agent.contract.context import Context as Context
    from agent.contract.context import Http01 as Http01
    from agent.contract.context import Issuer as Issuer
    from agent.contract.context import ModulePart as ModulePart
    from agent.contract.context import ServiceContext as ServiceContext
    from agent.contract.endpoint import Address as Address
    from agent.contract.endpoint import Endpoint as Endpoint
    from agent.contract.endpoint import Expected as Expected
    from agent.contract.endpoint import Probe as Probe
    from agent.contract.endpoint import Served as Served
    from agent.contract.endpoint import StartTLS as StartTLS
    from agent.contract.endpoint import concrete_name as concrete_name
    from agent.contract.endpoint import usable_addresses as usable_addresses
    from agent.contract.fields import Host as Host
    from agent.contract.fields import ListenAddress as ListenAddress
    from agent.contract.fields import ListenAddresses as ListenAddresses
    from agent.contract.fields import Name as Name
    from agent.contract.fields import PathText as PathText
    from agent.contract.fields import Port as Port
    from agent.contract.fields import Secret as Secret
    from agent.contract.fields import Upstream as Upstream
    from agent.contract.fields import Word as Word
    from agent.contract.file import ChainFile as ChainFile
    from agent.contract.file import Template as Template
    from agent.contract.file import Text as Text
    from agent.contract.markers import hookimpl as hookimpl
    from agent.contract.module import TLS_KEY_TYPES as TLS_KEY_TYPES
    from agent.contract.module import Module as Module
    from agent.contract.service import Service as Service
    from agent.contract.slots import slot_of as slot_of
    from agent.contract.slots import slots_by_key_type as slots_by_key_type
    from agent.contract.slots import told_apart as told_apart
    from agent.contract.source import DnsSolver as DnsSolver
    from agent.contract.source import Due as Due
    from agent.contract.source import Offer as Offer
    from agent.contract.source import OrderContext as OrderContext
    from agent.contract.source import RequestState as RequestState
    from agent.contract.source import Source as Source
    from agent.contract.source import SourceContext as SourceContext
    from agent.contract.systemd_service import IncludedService as IncludedService
    from agent.contract.systemd_service import SystemdService as SystemdService
    from agent.contract.validators import first_repeated as first_repeated
    from agent.errors import AgentError as AgentError
    from agent.errors import OrderCancelled as OrderCancelled
    from agent.errors import ProbeFailed as ProbeFailed
    from agent.errors import SourceError as SourceError
    from agent.model.events import Event as Event
    from agent.model.events import EventKind as EventKind
    from agent.model.need import HostFacts as HostFacts
    from agent.model.need import Need as Need
    from agent.model.need import Request as Request
    from agent.model.peer import Peer as Peer
    from agent.model.peer import PeerState as PeerState
    from agent.model.records import Watch as Watch
    from agent.pki.chain import Chain as Chain
    from agent.pki.chain import KeyType as KeyType
    from agent.pki.chain import Purpose as Purpose
    from agent.pki.encoding import Format as Format
    from agent.pki.encoding import Part as Part
    from agent.pki.revocation import RevocationReason as RevocationReason
    from agent.probing.probe import TLSProbe as TLSProbe
    from agent.system.command import Action as Action
    from agent.system.command import Command as Command
    from agent.system.command import Signal as Signal
    from agent.system.names import covers as covers
    from agent.system.names import is_address as is_address
    from agent.system.names import is_public as is_public
    from agent.system.places import Places as Places

__all__ = sorted(_HOMES)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: a command with nothing to do must not import cryptography."""
    if name not in _HOMES:
        raise AttributeError(f"module 'chainwright' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"agent.{_HOMES[name]}"), name)

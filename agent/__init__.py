"""Chainwright: the certificate agent of a network appliance.

This is the whole API for plugin authors; what isn't named here may change without notice.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own takes longer to import than all the rest of this file

_HOMES = {
    "Action": "command",
    "Address": "endpoint",
    "AgentError": "errors",
    "Appliance": "appliance",
    "Chain": "chain",
    "ChainFacts": "context",
    "ChainFile": "file",
    "Change": "context",
    "Command": "command",
    "Consequence": "context",
    "Context": "context",
    "DnsSolver": "source",
    "Due": "source",
    "Endpoint": "endpoint",
    "Event": "events",
    "Expected": "endpoint",
    "Format": "encoding",
    "HostFacts": "need",
    "Host": "fields",
    "Http01": "context",
    "Issuer": "context",
    "KeyType": "chain",
    "Kind": "events",
    "ListenAddress": "fields",
    "ListenAddresses": "fields",
    "Module": "module",
    "ModulePart": "context",
    "Name": "fields",
    "Need": "need",
    "Offer": "source",
    "Office": "source",
    "OrderCancelled": "errors",
    "Part": "encoding",
    "Peer": "peer",
    "PeerState": "peer",
    "PathText": "fields",
    "Places": "places",
    "Port": "fields",
    "Probe": "endpoint",
    "ProbeFailed": "errors",
    "Purpose": "chain",
    "Reason": "revocation",
    "Request": "need",
    "RequestState": "source",
    "Secret": "fields",
    "Served": "endpoint",
    "Service": "service",
    "ServiceContext": "context",
    "Session": "source",
    "Signal": "command",
    "Source": "source",
    "SourceError": "errors",
    "StartTLS": "endpoint",
    "TLSProbe": "probe",
    "Template": "file",
    "Text": "file",
    "Upstream": "fields",
    "Watch": "records",
    "Word": "fields",
    "covers": "names",
    "hookimpl": "markers",
    "is_address": "names",
    "is_public": "names",
    "slot_of": "slots",
    "slots_by_key_type": "slots",
    "told_apart": "slots",
}

if TYPE_CHECKING:
    from typing import Any

    from agent.appliance import Appliance as Appliance
    from agent.chain import Chain as Chain
    from agent.chain import KeyType as KeyType
    from agent.chain import Purpose as Purpose
    from agent.command import Action as Action
    from agent.command import Command as Command
    from agent.command import Signal as Signal
    from agent.context import ChainFacts as ChainFacts
    from agent.context import Change as Change
    from agent.context import Consequence as Consequence
    from agent.context import Context as Context
    from agent.context import Http01 as Http01
    from agent.context import Issuer as Issuer
    from agent.context import ModulePart as ModulePart
    from agent.context import ServiceContext as ServiceContext
    from agent.encoding import Format as Format
    from agent.encoding import Part as Part
    from agent.endpoint import Address as Address
    from agent.endpoint import Endpoint as Endpoint
    from agent.endpoint import Expected as Expected
    from agent.endpoint import Probe as Probe
    from agent.endpoint import Served as Served
    from agent.endpoint import StartTLS as StartTLS
    from agent.errors import AgentError as AgentError
    from agent.errors import OrderCancelled as OrderCancelled
    from agent.errors import ProbeFailed as ProbeFailed
    from agent.errors import SourceError as SourceError
    from agent.events import Event as Event
    from agent.events import Kind as Kind
    from agent.fields import Host as Host
    from agent.fields import ListenAddress as ListenAddress
    from agent.fields import ListenAddresses as ListenAddresses
    from agent.fields import Name as Name
    from agent.fields import PathText as PathText
    from agent.fields import Port as Port
    from agent.fields import Secret as Secret
    from agent.fields import Upstream as Upstream
    from agent.fields import Word as Word
    from agent.file import ChainFile as ChainFile
    from agent.file import Template as Template
    from agent.file import Text as Text
    from agent.markers import hookimpl as hookimpl
    from agent.module import Module as Module
    from agent.names import covers as covers
    from agent.names import is_address as is_address
    from agent.names import is_public as is_public
    from agent.need import HostFacts as HostFacts
    from agent.need import Need as Need
    from agent.need import Request as Request
    from agent.peer import Peer as Peer
    from agent.peer import PeerState as PeerState
    from agent.places import Places as Places
    from agent.probe import TLSProbe as TLSProbe
    from agent.records import Watch as Watch
    from agent.revocation import Reason as Reason
    from agent.service import Service as Service
    from agent.slots import slot_of as slot_of
    from agent.slots import slots_by_key_type as slots_by_key_type
    from agent.slots import told_apart as told_apart
    from agent.source import DnsSolver as DnsSolver
    from agent.source import Due as Due
    from agent.source import Offer as Offer
    from agent.source import Office as Office
    from agent.source import RequestState as RequestState
    from agent.source import Session as Session
    from agent.source import Source as Source

__all__ = sorted(_HOMES)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: ``chainwright`` with nothing to do must not import cryptography."""
    if name not in _HOMES:
        raise AttributeError(f"module 'agent' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"agent.{_HOMES[name]}"), name)

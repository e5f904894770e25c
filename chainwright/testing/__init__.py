"""What tests of plugins import: a throw-away appliance, a toy service, and the check of a whole plugin.

Each name is imported when it is first used. The fixtures of `chainwright.testing.pytest_plugin` are there without a conftest.
"""

from __future__ import annotations

TYPE_CHECKING = False

_NAMES = {
    "agent.testing.appliance": "Appliance Killed",
    "agent.testing.client": "presented",
    "agent.testing.clock": "Clock",
    "agent.testing.findings": "CheckReport Fault",
    "agent.testing.ports": "free_port",
    "agent.testing.runner": "Answer CountingRunner",
    "agent.testing.sample_ca": "SampleCa",
    "agent.testing.source_context": "FakeOrderContext FakeSourceContext",
    "agent.testing.tls_server": "TlsServer tls_server",
    "agent.testing.waiting": "until",
    "chainwright.testing.check": "PluginFaulty check_plugin",
}
"""Modules, each with its public names."""
_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}

if TYPE_CHECKING:
    from typing import Any

    from agent.testing.appliance import Appliance as Appliance
    from agent.testing.appliance import Killed as Killed
    from agent.testing.client import presented as presented
    from agent.testing.clock import Clock as Clock
    from agent.testing.findings import CheckReport as CheckReport
    from agent.testing.findings import Fault as Fault
    from agent.testing.ports import free_port as free_port
    from agent.testing.runner import Answer as Answer
    from agent.testing.runner import CountingRunner as CountingRunner
    from agent.testing.sample_ca import SampleCa as SampleCa
    from agent.testing.source_context import FakeOrderContext as FakeOrderContext
    from agent.testing.source_context import FakeSourceContext as FakeSourceContext
    from agent.testing.tls_server import TlsServer as TlsServer
    from agent.testing.tls_server import tls_server as tls_server
    from agent.testing.waiting import until as until
    from chainwright.testing.check import PluginFaulty as PluginFaulty
    from chainwright.testing.check import check_plugin as check_plugin

__all__ = sorted(_HOMES)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'chainwright.testing' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)

"""What settings lack for orders, told before the first one."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, cast

from agent.errors.base import AgentError
from agent.errors.plugin import PluginError
from agent.errors.source import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.config.settings import Settings
    from agent.errors.problem import Problem
    from agent.registry.sources import SourceHandle
    from agent.sources.acme.source import AcmeSource
    from agent.system.layout import Layout

ACME = "acme"


def ca_problems(layout: Layout, settings: Settings) -> Iterator[Problem]:
    """Yield what would keep sources of the ladder from an order: files that can't be used, and accounts that can't be made."""
    accounts = _with_account(layout, settings)
    for each in settings.rungs.values():
        try:
            each.check_files(layout.rooted)
            if each.group == ACME and each.name not in accounts:
                with each.naming_its_table():
                    cast("AcmeSource", each.source).check_account()
        except (SourceError, PluginError) as error:
            yield error.problem


def _with_account(layout: Layout, settings: Settings) -> frozenset[str]:
    """Return the CAs that have an account already, which need no external one any more."""
    from agent.sources.acme.takeover import account_thumbprint
    from agent.store import Store

    cas: list[SourceHandle] = [each for each in settings.rungs.values() if each.group == ACME]
    with suppress(AgentError), Store.open_read_only(layout) as store:
        return frozenset(each.name for each in cas if account_thumbprint(each, store.memories))
    return frozenset()

"""Creation of the appliance's own root as the settings say."""

from __future__ import annotations

from datetime import datetime, timedelta

from agent.config.settings import RootSettings
from agent.model.need import HostFacts
from agent.pki.authority import Root
from agent.system.release import RELEASED_AT

LONGEST_NAME = 64
"""RFC 5280 appendix A: ub-common-name."""


def make_root(settings: RootSettings, host: HostFacts, now: datetime) -> Root:
    """Return a new self-signed root."""
    return Root.create(
        settings.subject or f"{host.name} Root CA"[:LONGEST_NAME],
        settings.organization or "",
        now,
        RELEASED_AT,
        lifetime=timedelta(days=settings.lifetime_days),
        key_type=settings.key_type,
    )

"""Waiting for what another thread or process does, as authors of plugins do."""

from chainwright.testing import until

__all__ = ["until"]

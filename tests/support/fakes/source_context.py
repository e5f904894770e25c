"""Contexts of sources in memory, as authors of sources get them."""

from agent.testing.source_context import FakeOrderContext, FakeSourceContext, Noting, Remembering, utc_now

__all__ = ["FakeOrderContext", "FakeSourceContext", "Noting", "Remembering", "utc_now"]

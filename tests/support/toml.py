"""Settings as TOML, as authors of plugins get them written."""

from agent.testing.toml import table, toml

__all__ = ["table", "toml"]

"""Settings as TOML, as authors of plugins get them written."""

from agent.testing.toml import table as table
from agent.testing.toml import toml as toml

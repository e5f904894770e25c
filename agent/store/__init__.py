"""The agent's state: SQLite through sqlite-utils, durable before each side effect, private keys sealed."""

from agent.store.database import Store

__all__ = ["Store"]

"""One pass: plan -> perform, under the lock. Daemon, CLI, API and boot are callers of the same."""

from agent.lifecycle.engine import Engine, Result

__all__ = ["Engine", "Result"]

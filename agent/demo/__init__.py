"""``chainwright demo``: a whole appliance for trying out, below a directory of its own, for any user."""

from agent.demo.demo import demo

__all__ = ["demo"]

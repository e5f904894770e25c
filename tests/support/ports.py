"""Ports for the servers of tests, the same ones that authors of plugins get."""

from chainwright.testing import free_port

__all__ = ["free_port"]

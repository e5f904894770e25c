"""The rungs of the ladder that come with Chainwright."""

from agent.sources.acme.source import AcmeSource
from agent.sources.local import LocalSource
from agent.sources.uploaded import UploadedSource

BUILT_IN = (UploadedSource, AcmeSource, LocalSource)

__all__ = ["BUILT_IN", "AcmeSource", "LocalSource", "UploadedSource"]

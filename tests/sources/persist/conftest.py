"""The CAs and orderers of `tests/sources/acme`, for records in a real DNS."""

from sources.acme.conftest import acme2certifier_with, at, pebble, pebble_with, shared_pebbles

__all__ = ["acme2certifier_with", "at", "pebble", "pebble_with", "shared_pebbles"]

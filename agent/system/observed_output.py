"""Output of `observe` commands, as the pass and the supervisor compare it. Cheap to import."""

from __future__ import annotations

try:  # hashlib has all of OpenSSL loaded, which an agent that waits has no use for
    from _blake2 import blake2b
except ImportError:
    from hashlib import blake2b

LONGEST = 1_000_000
"""Characters that such a command may print."""
SECONDS = 15.0
"""That it may take."""
FAILED = "failed"
"""In place of a digest: the command has failed, or took too long."""


def lines_of(output: str) -> list[str]:
    """Return the lines that are JSON objects; whatever a program or its libraries say beside them is let be."""
    return [line for line in (each.strip() for each in output.splitlines()) if line.startswith("{")]


def digest_of(output: str) -> str:
    """Return what two outputs have in common that tell the same, in whatever order."""
    text = "\n".join(sorted(lines_of(output))).encode(errors="replace")
    return blake2b(text, digest_size=32).hexdigest()

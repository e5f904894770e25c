"""Passwords: Argon2id (RFC 9106) as PHC strings, and one-time passwords."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from agent.errors.auth import PasswordRefused

SALT_BYTES = 16
HASH_BYTES = 32
SHORTEST = 10
LONGEST = 256
"""Characters. More would let anybody keep the machine busy."""
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without characters that are taken for one another."""


@dataclass(frozen=True)
class Cost:
    """Cost of deriving a hash, by default the second recommended option of RFC 9106 section 4: 0.2 s and 64 MiB."""

    memory_kib: int = 64 * 1024
    passes: int = 3
    lanes: int = 4


def encoded(password: str, cost: Cost) -> str:
    """Return the PHC string that is kept; the cost is in it, so a later one leaves earlier passwords good."""
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    salt = secrets.token_bytes(SALT_BYTES)
    derivation = Argon2id(
        salt=salt, length=HASH_BYTES, iterations=cost.passes, lanes=cost.lanes, memory_cost=cost.memory_kib
    )
    return derivation.derive_phc_encoded(password.encode())


def matches(password: str, kept: str) -> bool:
    """Whether a password is the one that was kept, in a time that doesn't tell how much of it is right."""
    from cryptography.exceptions import InvalidKey
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    if len(password) > LONGEST:
        return False
    try:
        Argon2id.verify_phc_encoded(password.encode(), kept)
    except InvalidKey:
        return False
    return True


def check_new(password: str, name: str) -> None:
    """Raise `PasswordRefused` unless a new password is acceptable (NIST SP 800-63B: length counts, composition doesn't)."""
    if len(password) < SHORTEST:
        raise PasswordRefused(f"it has {len(password)} characters, and at least {SHORTEST} are needed")
    if len(password) > LONGEST:
        raise PasswordRefused(f"it has {len(password)} characters, and at most {LONGEST} are allowed")
    if len(set(password)) < 4 or name.lower() in password.lower():
        raise PasswordRefused("it would be guessed at once")


def one_time() -> str:
    """Return a password for the first login: 77 bits in four groups."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(4)) for _ in range(4))


def nobodys(cost: Cost) -> str:
    """Return a hash to compare with where there is no such person: the time of an answer doesn't tell who exists."""
    salt, derived = "c29tZXRoaW5nIGZpeGVk", "Zm9yIG5hbWVzIHRoYXQgbm9ib2R5IGhhcywgYSBtYXRjaA"
    return f"$argon2id$v=19$m={cost.memory_kib},t={cost.passes},p={cost.lanes}${salt}${derived}"

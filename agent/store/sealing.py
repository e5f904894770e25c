"""Sealing of private keys at rest with the appliance's master key."""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors.store import MasterKeyLost, MasterKeyRefused, SealBroken
from agent.system.obstacles import state_unwritable
from agent.system.trust import read_regular
from agent.system.writing import create

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
MOST_BYTES = 4096
"""Of the master key's file."""
NONCE_BYTES = 12
"""NIST SP 800-38D section 8.2.2: a random nonce of 96 bits."""


class Sealer:
    """Seals with AES-256-GCM. What is sealed is bound to its place by `context`, so that rows can't be swapped."""

    def __init__(self, read_key: Callable[[], bytes]) -> None:
        """`read_key` returns the master key; it is called when something is first sealed, opened or derived."""
        self._read_key = read_key

    @cached_property
    def _cipher(self) -> AESGCM:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(self._read_key())

    def derived(self, purpose: str) -> bytes:
        """Return a key for something else than sealing: HKDF-Expand (RFC 5869 section 2.3) of the master key, one block."""
        return hmac.digest(self._read_key(), purpose.encode() + b"\x01", "sha256")

    def seal(self, data: bytes, context: str) -> bytes:
        """Return `data` encrypted and authenticated together with `context`."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data, context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """Return what was sealed. Raises `SealBroken` when the key or the context is another one."""
        from cryptography.exceptions import InvalidTag

        cipher = self._cipher
        try:
            return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context.encode())
        except (InvalidTag, ValueError) as error:  # ValueError: too short to hold a nonce
            raise SealBroken(context) from error

    def open_value(self, sealed: bytes, context: str) -> bytes:
        """Return what was sealed, of a row that is left out where it is damaged. Raises ValueError for what `open` refuses."""
        try:
            return self.open(sealed, context)
        except SealBroken as error:
            raise ValueError("it can't be opened with the master key") from error


def master_key_path(path: Path) -> Path:
    """Return where the key is read: systemd's credential where there is one, else `path`."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    credential = Path(directory) / "master-key" if directory else None
    return credential if credential and credential.exists() else path


def read_master_key(path: Path) -> bytes:
    """Return the 32 bytes of the master key. Raises `MasterKeyLost`, `MasterKeyRefused`, `StateUnwritable`."""
    place = master_key_path(path)
    try:
        data = read_regular(place, largest=MOST_BYTES)
    except FileNotFoundError as error:
        raise MasterKeyLost(str(place)) from error
    except OSError as error:
        raise state_unwritable(place, error) from error
    try:
        key = bytes.fromhex(data.decode("ascii").strip())
    except ValueError:  # raised without its origin: the message may quote what was read
        raise MasterKeyRefused(str(place)) from None
    if len(key) != KEY_BYTES:
        raise MasterKeyRefused(str(place))
    return key


def create_master_key(path: Path) -> None:
    """Write a new master key, unless another process was quicker."""
    with contextlib.suppress(FileExistsError):
        create(path, (secrets.token_hex(KEY_BYTES) + "\n").encode())

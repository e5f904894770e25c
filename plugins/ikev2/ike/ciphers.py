"""Protection of messages: AES-CBC with HMAC (RFC 7296 section 3.14), AES-GCM (RFC 5282)."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from plugins.ikev2.ike.failure import IkeFailure, Malformed

CBC, GCM = 12, 20
"""ENCR_AES_CBC, and AES-GCM with a 16-octet ICV."""
CBC_KEY_LENGTHS = (256, 192, 128)
"""Bits; of GCM too."""
PRFS = {5: "sha256", 6: "sha384", 7: "sha512", 2: "sha1"}
"""PRF_HMAC_*: hashes by number. SHA-1 for servers with settings for old clients."""
INTEGRITY = {12: ("sha256", 16), 13: ("sha384", 24), 14: ("sha512", 32), 2: ("sha1", 12)}
"""AUTH_HMAC_*: hash, and octets of the checksum."""
BLOCK = 16
_IV, _SALT, _TAG = 8, 4, 16


class Protection(Protocol):
    """Protection of one IKE SA in both directions."""

    @property
    def overhead(self) -> int:
        """Octets that sealing adds, the padding not among them."""

    def padded(self, plain: bytes) -> bytes:
        """Add padding and its length."""

    def seal(self, covered: bytes, padded: bytes) -> bytes:
        """Return IV, ciphertext and checksum. `covered`: header of the message, and generic header of the payload."""

    def open(self, covered: bytes, sealed: bytes) -> bytes:
        """Return what was sealed. Raises `IkeFailure` unless its sender has the keys."""


def unsealable() -> IkeFailure:
    """What was sealed with other keys, or changed on its way."""
    return IkeFailure("its answer to IKE_AUTH is not protected by the keys that were agreed on")


@dataclass(frozen=True)
class GcmProtection:
    """AES-GCM, whose keys have four octets of salt each."""

    to_server: bytes = field(repr=False)
    from_server: bytes = field(repr=False)

    @property
    def overhead(self) -> int:
        """As in `Protection`."""
        return _IV + _TAG

    def padded(self, plain: bytes) -> bytes:
        """RFC 5282 section 3: none is needed."""
        return plain + b"\0"

    def seal(self, covered: bytes, padded: bytes) -> bytes:
        """As in `Protection`."""
        iv = secrets.token_bytes(_IV)
        key, salt = self.to_server[:-_SALT], self.to_server[-_SALT:]
        return iv + AESGCM(key).encrypt(salt + iv, padded, covered)

    def open(self, covered: bytes, sealed: bytes) -> bytes:
        """As in `Protection`."""
        iv, key, salt = sealed[:_IV], self.from_server[:-_SALT], self.from_server[-_SALT:]
        if len(sealed) < self.overhead + 1:
            raise Malformed("its protected payload is cut off")
        try:
            return unpadded(AESGCM(key).decrypt(salt + iv, sealed[_IV:], covered))
        except InvalidTag:
            raise unsealable() from None


@dataclass(frozen=True)
class CbcProtection:
    """AES-CBC with HMAC: encrypt, then MAC."""

    to_server: bytes = field(repr=False)
    from_server: bytes = field(repr=False)
    mac_to_server: bytes = field(repr=False)
    mac_from_server: bytes = field(repr=False)
    digest: str
    checksum: int
    """Octets."""

    @property
    def overhead(self) -> int:
        """As in `Protection`."""
        return BLOCK + self.checksum

    def padded(self, plain: bytes) -> bytes:
        """Fill up to whole blocks."""
        padding = -(len(plain) + 1) % BLOCK
        return plain + bytes(padding) + bytes([padding])

    def seal(self, covered: bytes, padded: bytes) -> bytes:
        """As in `Protection`."""
        iv = secrets.token_bytes(BLOCK)
        encryptor = Cipher(algorithms.AES(self.to_server), modes.CBC(iv)).encryptor()
        body = iv + encryptor.update(padded) + encryptor.finalize()
        return body + self._mac(self.mac_to_server, covered + body)

    def open(self, covered: bytes, sealed: bytes) -> bytes:
        """As in `Protection`."""
        body, mac = sealed[: -self.checksum], sealed[-self.checksum :]
        if len(body) < 2 * BLOCK or len(body) % BLOCK:
            raise Malformed("its protected payload is cut off")
        if not hmac.compare_digest(mac, self._mac(self.mac_from_server, covered + body)):
            raise unsealable()
        decryptor = Cipher(algorithms.AES(self.from_server), modes.CBC(body[:BLOCK])).decryptor()
        return unpadded(decryptor.update(body[BLOCK:]) + decryptor.finalize())

    def _mac(self, key: bytes, data: bytes) -> bytes:
        return hmac.digest(key, data, self.digest)[: self.checksum]


def unpadded(plain: bytes) -> bytes:
    """Take padding away. Raises `Malformed`."""
    if plain[-1] + 1 > len(plain):
        raise Malformed("its padding is longer than what it pads")
    return plain[: -1 - plain[-1]]

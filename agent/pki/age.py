"""The age format, version 1, with a passphrase (C2SP age): what leaves the appliance whole can be opened by age and rage as well.

Only the form is made here. scrypt is OpenSSL's, ChaCha20-Poly1305 and HKDF are cryptography's. pyrage, the binding of rage, has
no streams for passphrases and takes as much memory as takes a second on the machine that encrypts: 1 GiB on a fast one, which
the appliance that is to read it may not have.
"""

from __future__ import annotations

import errno
import hashlib
import hmac
import re
import secrets
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Protocol

from agent.errors.backup import BackupDamaged, BackupPassphraseWrong, BackupTooNew, NotABackup

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

FIRST_LINE = b"age-encryption.org/v1\n"
ANY_VERSION = b"age-encryption.org/"
ARMOR = b"-----BEGIN AGE ENCRYPTED FILE-----"
LOG_COST = 17
"""Logarithm of scrypt's N, as OWASP recommends it with r = 8, p = 1: 128 MiB, about half a second."""
MOST_LOG_COST = 20
"""1 GiB. age itself writes 18."""
STANZA = re.compile(rb"-> scrypt ([A-Za-z0-9+/]{22}) ([1-9][0-9]?)")
BODY = re.compile(rb"[A-Za-z0-9+/]{43}")
MAC = re.compile(rb"--- ([A-Za-z0-9+/]{43})")
LONGEST_LINE = 512
"""Bytes of a line of the header: those of other recipients are read to be named."""
SALT_CONTEXT = b"age-encryption.org/v1/scrypt"
CHUNK = 64 * 1024
TAG = 16
KEY_BYTES, SALT_BYTES, NONCE_BYTES = 16, 16, 16
CUT_OFF = "it ends too early"


class Source(Protocol):
    """What bytes are read from; `read` returns fewer than asked for only at the end."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes."""


class Target(Protocol):
    """What bytes are written to."""

    def write(self, data: bytes, /) -> object:
        """Take the next bytes."""


class AgeWriter:
    """Encrypts what is written to it. `close` writes the end, without which a reader takes the file for cut off."""

    def __init__(self, target: Target, passphrase: bytes, log_cost: int = LOG_COST) -> None:
        """Write the header. `log_cost`: logarithm of scrypt's N."""
        file_key, salt = secrets.token_bytes(KEY_BYTES), secrets.token_bytes(SALT_BYTES)
        wrapped = _cipher(_wrapping_key(passphrase, salt, log_cost)).encrypt(bytes(12), file_key, None)
        head = FIRST_LINE + b"-> scrypt %b %d\n%b\n---" % (_encoded(salt), log_cost, _encoded(wrapped))
        nonce = secrets.token_bytes(NONCE_BYTES)
        target.write(head + b" " + _encoded(_mac(file_key, head)) + b"\n" + nonce)
        self._target = target
        self._cipher = _cipher(_derived(file_key, nonce, b"payload"))
        self._number = 0
        self._waiting = bytearray()

    def write(self, data: bytes) -> int:
        """Encrypt more; the last 64 KiB wait until it is known whether they are the last."""
        self._waiting += data
        while len(self._waiting) > CHUNK:
            self._put(bytes(self._waiting[:CHUNK]), last=False)
            del self._waiting[:CHUNK]
        return len(data)

    def close(self) -> None:
        """Write what waits, as the last chunk."""
        self._put(bytes(self._waiting), last=True)
        self._waiting.clear()

    def _put(self, chunk: bytes, *, last: bool) -> None:
        self._target.write(self._cipher.encrypt(_nonce(self._number, last=last), chunk, None))
        self._number += 1


class AgeReader:
    """Decrypts a file, each chunk checked before it is given out. Raises `BackupError`: see `agent.errors.backup`.

    What was cut off at a chunk's border shows at the end only: nothing counts before `read` has returned that.
    """

    def __init__(self, source: Source, passphrase: bytes, name: str) -> None:
        """Read the header and derive the key. `name`: of the file, for errors. Raises OSError also for lack of memory."""
        self._source = source
        self._name = name
        self._cipher = _cipher(self._payload_key(passphrase))
        self._number = 0
        self._plain = bytearray()
        self._ahead = source.read(CHUNK + TAG)
        self._ended = False

    def read(self, size: int, /) -> bytes:
        """Return `size` bytes, fewer at the end only."""
        while len(self._plain) < size and not self._ended:
            self._plain += self._chunk()
        found = bytes(self._plain[:size])
        del self._plain[:size]
        return found

    def _chunk(self) -> bytes:
        from cryptography.exceptions import InvalidTag

        sealed, self._ahead = self._ahead, self._source.read(CHUNK + TAG)
        self._ended = not self._ahead
        try:
            plain = self._cipher.decrypt(_nonce(self._number, last=self._ended), sealed, None)
        except (InvalidTag, ValueError):
            place = f"after {self._number * CHUNK} bytes of its content"
            raise BackupDamaged(self._name, f"it was cut off or changed {place}") from None
        self._number += 1
        if not plain and self._number > 1:
            raise BackupDamaged(self._name, "its last part is empty")
        return plain

    def _payload_key(self, passphrase: bytes) -> bytes:
        salt, log_cost, wrapped, mac = self._header()
        file_key = self._unwrapped(_wrapping_key(passphrase, salt, log_cost), wrapped)
        head = FIRST_LINE + b"-> scrypt %b %d\n%b\n---" % (_encoded(salt), log_cost, _encoded(wrapped))
        if not hmac.compare_digest(_mac(file_key, head), mac):
            raise BackupDamaged(self._name, "its header was changed")
        nonce = self._source.read(NONCE_BYTES)
        if len(nonce) < NONCE_BYTES:
            raise BackupDamaged(self._name, CUT_OFF)
        return _derived(file_key, nonce, b"payload")

    def _header(self) -> tuple[bytes, int, bytes, bytes]:
        """Return salt, logarithm of the cost, wrapped key and MAC."""
        self._check_version()
        stanza = self._matching(STANZA, self._line())
        log_cost = int(stanza[2])
        if log_cost > MOST_LOG_COST:
            raise NotABackup(self._name, f"deriving its key would take {2 ** (log_cost - 20)} GiB of memory")
        body = self._matching(BODY, self._line())
        mac = self._matching(MAC, self._line())
        return self._decoded(stanza[1]), log_cost, self._decoded(body[0]), self._decoded(mac[1])

    def _check_version(self) -> None:
        first = self._source.read(len(FIRST_LINE))
        if first == FIRST_LINE:
            return
        if first.startswith(ANY_VERSION) and len(first) == len(FIRST_LINE):
            version = first.removeprefix(ANY_VERSION).decode("ascii", "replace").strip()
            raise BackupTooNew(self._name, f"age {version}")
        if FIRST_LINE.startswith(first):
            raise BackupDamaged(self._name, CUT_OFF if first else "it is empty")
        why = "it is an age file as text; decode it with: age -d" if ARMOR.startswith(first) else "it is no age file"
        raise NotABackup(self._name, why)

    def _matching(self, form: re.Pattern[bytes], line: bytes) -> re.Match[bytes]:
        found = form.fullmatch(line)
        if found is not None:
            return found
        kind = line.split(b" ")[1] if form is STANZA and line.startswith(b"-> ") else b"scrypt"
        if kind != b"scrypt":
            raise NotABackup(self._name, "it is encrypted for a key, not with a passphrase")
        raise BackupDamaged(self._name, "its header was changed")

    def _line(self) -> bytes:
        found = bytearray()
        while (more := self._source.read(1)) != b"\n":
            if not more or len(found) >= LONGEST_LINE:
                raise BackupDamaged(self._name, "its header was changed" if more else CUT_OFF)
            found += more
        return bytes(found)

    def _unwrapped(self, key: bytes, wrapped: bytes) -> bytes:
        from cryptography.exceptions import InvalidTag

        try:
            return _cipher(key).decrypt(bytes(12), wrapped, None)
        except InvalidTag:
            raise BackupPassphraseWrong(self._name) from None

    def _decoded(self, text: bytes) -> bytes:
        found = b64decode(text + b"=" * (-len(text) % 4))
        if _encoded(found) != text:  # bits behind the last octet are to be zero
            raise BackupDamaged(self._name, "its header was changed")
        return found


def _wrapping_key(passphrase: bytes, salt: bytes, log_cost: int) -> bytes:
    """Derive the key that wraps that of the file. Raises OSError where there is too little memory."""
    most = 2 ** (log_cost + 10) + 2**22
    try:
        return hashlib.scrypt(passphrase, salt=SALT_CONTEXT + salt, n=2**log_cost, r=8, p=1, maxmem=most, dklen=32)
    except (MemoryError, ValueError) as error:
        size = max(1, 2 ** (log_cost - 10))
        raise OSError(errno.ENOMEM, f"deriving the key takes {size} megabytes of memory, which is not there") from error


def _mac(file_key: bytes, head: bytes) -> bytes:
    return hmac.digest(_derived(file_key, b"", b"header"), head, "sha256")


def _derived(file_key: bytes, salt: bytes, purpose: bytes) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), 32, salt, purpose).derive(file_key)


def _cipher(key: bytes) -> ChaCha20Poly1305:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    return ChaCha20Poly1305(key)


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _encoded(data: bytes) -> bytes:
    return b64encode(data).rstrip(b"=")

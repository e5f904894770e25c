"""Private keys as other programs write them: by the machine's OpenSSL, with ciphers and forms that cryptography doesn't write."""

from __future__ import annotations

import subprocess

from support.cas.certificates import key_pem

SECRET = b"geheim"
PROVIDERS = ("-provider", "default", "-provider", "legacy")


def openssl(*arguments: str, given: bytes = b"") -> bytes:
    """Return what a command of OpenSSL prints."""
    return subprocess.run(["openssl", *arguments], input=given, capture_output=True, check=True).stdout


def traditional(key, cipher: str) -> bytes:
    """Return a key in OpenSSL's traditional form, encrypted with SECRET."""
    return openssl("ec", *PROVIDERS, f"-{cipher}", "-passout", f"pass:{SECRET.decode()}", given=key_pem(key))


def pkcs8(key, *how: str) -> bytes:
    """Return a key as PKCS#8, encrypted with SECRET in that way (openssl-pkcs8(1))."""
    return openssl("pkcs8", *PROVIDERS, "-topk8", *how, "-passout", f"pass:{SECRET.decode()}", given=key_pem(key))


def with_curve_written_out(key, form: str = "uncompressed") -> bytes:
    """Return a key with the parameters of its curve instead of the curve's name (SEC 1 section C.2)."""
    return openssl("ec", "-param_enc", "explicit", "-conv_form", form, given=key_pem(key))

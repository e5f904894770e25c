"""What a file may hold: parts of a chain in an encoding, under the word that the settings have for it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from chainwright import Format, Part


class Kind(StrEnum):
    """Word of the settings."""

    KEY = "key"
    FULLCHAIN = "fullchain"
    CHAIN = "chain"
    LEAF = "leaf"
    COMBINED = "combined"
    COMBINED_KEY_LAST = "combined-key-last"
    PKCS12 = "pkcs12"
    KEY_DER = "key-der"
    LEAF_DER = "leaf-der"


@dataclass(frozen=True)
class Content:
    """What is in such a file, and what it is called in a directory."""

    parts: tuple[Part, ...]
    usual_name: str
    format: Format = Format.PEM

    @property
    def secret(self) -> bool:
        """Whether the key is in it."""
        return Part.KEY in self.parts

    @property
    def is_half(self) -> bool:
        """Whether it is a key without the certificate that it belongs to: another file has that."""
        return self.parts == (Part.KEY,)


CONTENTS = {
    Kind.KEY: Content((Part.KEY,), "key.pem"),
    Kind.FULLCHAIN: Content((Part.FULLCHAIN,), "fullchain.pem"),
    Kind.CHAIN: Content((Part.INTERMEDIATES,), "chain.pem"),
    Kind.LEAF: Content((Part.LEAF,), "cert.pem"),
    Kind.COMBINED: Content((Part.KEY, Part.FULLCHAIN), "combined.pem"),
    Kind.COMBINED_KEY_LAST: Content((Part.FULLCHAIN, Part.KEY), "combined.pem"),
    Kind.PKCS12: Content((Part.KEY, Part.FULLCHAIN), "bundle.p12", Format.PKCS12),
    Kind.KEY_DER: Content((Part.KEY,), "key.der", Format.DER),
    Kind.LEAF_DER: Content((Part.LEAF,), "cert.der", Format.DER),
}

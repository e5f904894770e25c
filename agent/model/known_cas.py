"""ACME CAs that have a name."""

from __future__ import annotations

KNOWN_DIRECTORIES = {
    "letsencrypt": "https://acme-v02.api.letsencrypt.org/directory",
    "letsencrypt-staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
    "google": "https://dv.acme-v02.api.pki.goog/directory",
    "google-staging": "https://dv.acme-v02.test-api.pki.goog/directory",
    "zerossl": "https://acme.zerossl.com/v2/DV90",
    "sslcom": "https://acme.ssl.com/sslcom-dv-ecc",
    "actalis": "https://acme-api.actalis.com/acme/directory",
}
"""Directories that have a name."""
TITLES = {
    "letsencrypt": "Let's Encrypt",
    "letsencrypt-staging": "Let's Encrypt (staging)",
    "google": "Google Trust Services",
    "google-staging": "Google Trust Services (staging)",
    "zerossl": "ZeroSSL",
    "sslcom": "SSL.com",
    "actalis": "Actalis",
}
"""What people call their CAs."""
CUSTOMERS_ONLY = frozenset({"google", "google-staging", "zerossl", "sslcom", "actalis"})
"""Those that give accounts to holders of an external account only (RFC 8555 section 7.3.4), as they document it."""


def is_for_customers(origin: str) -> bool:
    """Whether the CA whose directory is at `origin` is known to ask for an external account."""
    return any(KNOWN_DIRECTORIES[name] == origin for name in CUSTOMERS_ONLY)


def title_of(origin: str) -> str:
    """Return what people call the CA whose directory is at `origin`; empty: it has no name that everybody knows."""
    return next((TITLES[name] for name, url in KNOWN_DIRECTORIES.items() if url == origin), "")

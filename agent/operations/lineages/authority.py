"""CAs as other clients write them down: by the URL of the directory, or by what they make of it as a name of files."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

STAGING = re.compile(r"staging|(?:^|[.-])test", re.IGNORECASE)
"""Hosts of CAs for tests: acme-staging-v02.api.letsencrypt.org, api.test4.buypass.no, dv.acme-v02.test-api.pki.goog."""


def is_directory(ca: str, directory: str) -> bool:
    """Whether a client means the CA of a directory's URL: by the URL, by host and port, or by host and path."""
    parts = urlsplit(directory)
    known = (directory, parts.netloc, f"{parts.hostname}{parts.path}")
    return bool(ca) and _words(ca) in {_words(each) for each in known}


def is_staging(ca: str) -> bool:
    """Whether it is a CA for tests, whose certificates no client trusts."""
    return STAGING.search(re.split("[/_]", _bare(ca))[0]) is not None


def host_of(url: str) -> str:
    """Return host and port of a URL; empty where it is none."""
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""


def _bare(ca: str) -> str:
    return re.sub(r"^https?://", "", ca.strip().lower())


def _words(ca: str) -> str:
    """Return what files can be called like: clients write a dash or an underscore for a slash or a colon."""
    return re.sub(r"[/:_-]+", "-", _bare(ca)).strip("-")

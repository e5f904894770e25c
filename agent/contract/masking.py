"""Secrets in what others say: programs and services print what they were given, as it is or encoded."""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

from agent.contract.fields import SecretText

MASK = "********"
SHORTEST_SECRET = 4
"""Characters; what is shorter isn't hidden: it would be found everywhere."""
SHORTEST_LINE = 8
"""Characters of a line of a secret of several, a key in PEM, that is hidden without the others."""
BASE64 = re.compile(r"[A-Za-z0-9+/_-]{6,}={0,2}")
ESCAPE = re.compile(r"%[0-9A-F]{2}")


def masked(text: str, secrets: Iterable[SecretText]) -> str:
    """Return what a program or a service says without secrets, be they as they are or encoded.

    Encoded: for an URL, JSON, XML or a shell, or in base64, also beside others as in ``Authorization: Basic``.
    """
    hidden = [found for each in secrets if len(found := each.reveal()) >= SHORTEST_SECRET]
    if not hidden:
        return text
    forms = {form for each in hidden for part in _parts(each) for form in _forms(part)}
    for form in sorted(forms, key=len, reverse=True):  # a shorter one may be a part of a longer one
        text = text.replace(form, MASK)
    return BASE64.sub(lambda found: MASK if _hides(found[0], hidden) else found[0], text)


def _parts(secret: str) -> Iterator[str]:
    yield secret
    yield from (line for line in secret.split("\n") if len(line) >= SHORTEST_LINE)


def _forms(secret: str) -> Iterator[str]:
    yield secret
    for each in (quote(secret), quote(secret, safe=""), quote_plus(secret)):
        yield each
        yield ESCAPE.sub(lambda found: found[0].lower(), each)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    yield html.escape(secret)
    yield secret.replace("'", "'\\''")
    yield secret.replace("'", "'\"'\"'")


def _hides(word: str, secrets: Iterable[str]) -> bool:
    """Whether a word is base64 of something with a secret in it."""
    bare = word.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        found = base64.b64decode(bare + "=" * (-len(bare) % 4))
    except binascii.Error:
        return False
    return any(each.encode() in found for each in secrets)

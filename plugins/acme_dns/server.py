"""The API of an acme-dns server: ``/register`` and ``/update`` (version 1.1)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chainwright import HttpAnswer, HttpFailed, Secret, http_post, masked
from plugins.acme_dns.errors import RegistrationRefused, ServerFailed, ServerUnreachable, ValueRefused

MEMBERS = ("username", "password", "subdomain", "fulldomain")
"""Of the answer to a registration."""
PLAIN = re.compile(r"[!#-[\]-~]{1,255}")
"""What each of them is made of: it is shown in a terminal, and copied into the settings between quotation marks."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server by its address."""

    url: str
    timeout: float
    trust: Path | None = None

    def register(self, allow_from: Sequence[str] = ()) -> Mapping[str, str]:
        """Make a registration; return `MEMBERS`. `allow_from`: networks that may change its record; none: all."""
        answer = self._post("register", {"allowfrom": [*allow_from]} if allow_from else {})
        found = _read(answer)
        if answer.status != 201 or not all(_is_plain(found.get(each)) for each in MEMBERS):
            raise ServerFailed(self.url, answer.status, _said(answer))
        return {each: found[each] for each in MEMBERS}

    def update(self, domain: str, *, user: Secret, password: Secret, subdomain: str, value: str) -> None:
        """Publish a value."""
        sent = {"subdomain": subdomain, "txt": value}
        answer = self._post("update", sent, {"X-Api-User": user.reveal(), "X-Api-Key": password.reveal()})
        if answer.status == 401:
            raise RegistrationRefused(domain, self.url)
        said = masked(_said(answer), [user, password])
        if answer.status == 400:
            raise ValueRefused(domain, self.url, said)
        if answer.status != 200:
            raise ServerFailed(self.url, answer.status, said)

    def _post(self, path: str, content: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> HttpAnswer:
        try:
            return http_post(
                f"{self.url.rstrip('/')}/{path}",
                json.dumps(content).encode(),
                headers={"Content-Type": "application/json", **(headers or {})},
                timeout=self.timeout,
                trust=self.trust,
            )
        except HttpFailed as error:
            raise ServerUnreachable(self.url, str(error)) from error


def _read(answer: HttpAnswer) -> Mapping[str, Any]:
    try:
        found = json.loads(answer.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_plain(value: object) -> bool:
    return isinstance(value, str) and PLAIN.fullmatch(value) is not None


def _said(answer: HttpAnswer) -> str:
    """Return the server's own word, or what else it has sent."""
    return str(_read(answer).get("error") or answer.body.decode(errors="replace").strip())

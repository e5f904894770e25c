"""The solver ``lexicon``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from chainwright import DnsContext, DnsSolver, ProgramFailed, Secret, TxtRecord, masked
from plugins.lexicon.errors import (
    LexiconEnded,
    LexiconError,
    LexiconFailed,
    LexiconMissing,
    LexiconProviderMissing,
    LexiconRefused,
)
from plugins.lexicon.providers import alike, read_providers

PROGRAM = Path(__file__).with_name("run_lexicon.py")
TRUTH = ("true", "false")
BETTER = {"ddns": 'its provider "ddns" says yes to what a server refuses: use plugin = "rfc2136" instead'}
"""Providers that are left out, and why."""


class LexiconSolver(DnsSolver):
    """A DNS service that dns-lexicon knows."""

    name: ClassVar[str] = "lexicon"
    title: ClassVar[str] = "One of 90 DNS services, by the library dns-lexicon"

    provider: str = Field(description="name of the service, as dns-lexicon calls it")
    options: Mapping[str, Secret] = Field({}, description="options of the provider, by their names with underscores")
    ttl: int = Field(
        60, ge=1, le=86400, description="seconds that resolvers may keep a record; some services take more only"
    )
    seconds: float = Field(100.0, gt=0, le=3600, description="so long all records of one call may take")

    @model_validator(mode="after")
    def _known(self) -> Self:
        providers = read_providers()
        if self.provider in BETTER:
            raise ValueError(BETTER[self.provider])
        if self.provider not in providers:
            raise ValueError(f'there is no provider "{self.provider}": {alike(self.provider, providers)}')
        provider = providers[self.provider]
        unknown = next((each for each in self.options if each not in provider.options), None)
        if unknown is not None:
            raise ValueError(f'{self.provider} has no option "{unknown}": {alike(unknown, provider.options)}')
        if lacking := provider.lacks(self.options):
            raise ValueError(f"{self.provider} needs {lacking} in options")
        for name, allowed in {**dict.fromkeys(provider.flags, TRUTH), **provider.choices}.items():
            if name in self.options and self.options[name].reveal() not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}")
        return self

    def present_all(self, records: Sequence[TxtRecord], context: DnsContext) -> None:
        """Have the library create each record."""
        self._run("create", records, context)

    def clean_up_all(self, records: Sequence[TxtRecord], context: DnsContext) -> None:
        """Have the library delete each record."""
        self._run("delete", records, context)

    def _run(self, deed: str, records: Sequence[TxtRecord], context: DnsContext) -> None:
        wish = {
            "provider": self.provider,
            "options": self._given(),
            "ttl": self.ttl,
            "deed": deed,
            "records": [[each.name, each.value] for each in records],
        }
        owners = ", ".join(sorted({each.name for each in records}))
        context.progress(f"{self.provider}: {deed} {owners}")
        argv = [sys.executable, "-I", str(PROGRAM)]
        try:
            answer = json.loads(context.run(argv, stdin=json.dumps(wish).encode(), timeout=self.seconds))
        except ProgramFailed as error:
            raise LexiconEnded(self.provider, owners, self._mask(str(error)), self._mask(error.said)) from error
        if answer:
            raise self._failure(answer, deed)

    def _given(self) -> dict[str, Any]:
        """Return the options as the library takes them, with the defaults of its program, which it does not know as a library."""
        provider = read_providers()[self.provider]
        given = {name: each.reveal() for name, each in self.options.items()}
        flags = {name: given[name] == TRUTH[0] for name in provider.flags if name in given}
        return {**provider.defaults, **given, **flags}

    def _failure(self, answer: Mapping[str, Any], deed: str) -> LexiconError:
        if "missing" in answer:
            return LexiconMissing(self.provider)
        kind, reason = str(answer["kind"]), self._mask(str(answer["reason"]))
        if kind == "ProviderNotAvailableError":
            return LexiconProviderMissing(self.provider, reason.rstrip("."))
        failed = LexiconRefused if answer.get("refused") else LexiconFailed
        return failed(self.provider, deed, str(answer["owner"]), kind, reason)

    def _mask(self, text: str) -> str:
        """Return what a library says without the values of the options."""
        return masked(text, self.options.values())

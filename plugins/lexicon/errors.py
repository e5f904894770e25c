"""What can go wrong when dns-lexicon makes a DNS record."""

from __future__ import annotations

from datetime import datetime

from chainwright import SourceError


class LexiconError(SourceError):
    """The family of the solver."""

    code = "source.lexicon"
    where = "the DNS solver lexicon, provider {provider}"
    provider: str


class LexiconMissing(LexiconError):
    """The extra isn't installed."""

    code = "source.lexicon_missing"
    cause = "The library dns-lexicon isn't installed beside the agent."
    fix = 'Install it: pip install "chainwright[lexicon]"; then: chainwright apply'
    retry_at: datetime | None = None


class LexiconProviderMissing(LexiconError):
    """A provider needs a library that isn't installed, or the installed version has it no longer."""

    code = "source.lexicon_provider_missing"
    cause = "The installed dns-lexicon can't use {provider}: {reason}."
    fix = 'Install what it needs: pip install "dns-lexicon[{provider}]"; then: chainwright apply'
    reason: str
    retry_at: datetime | None = None


class LexiconFailed(LexiconError):
    """The service, or the library, failed."""

    code = "source.lexicon_failed"
    cause = "The DNS service did not {deed} the TXT record of {owner}: {kind}: {reason:quoted or it says nothing}."
    fix = "Compare the options with the service's console; dns-lexicon itself is tried with: lexicon {provider} list ZONE TXT"
    deed: str
    owner: str
    kind: str
    reason: str
    retry_at: datetime | None = None


class LexiconEnded(LexiconError):
    """The process of the library ended without a word, or took too long."""

    code = "source.lexicon_ended"
    cause = "dns-lexicon did not come to an end with {owner}: {reason}."
    fix = "Look whether this machine reaches the service; seconds in the table says how long it may take."
    detail = "{said}"
    owner: str
    reason: str
    said: str = ""
    retry_at: datetime | None = None

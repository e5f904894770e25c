"""What can go wrong when dns-lexicon makes a DNS record."""

from __future__ import annotations

from chainwright import DnsSolverError, SolverRefused, SolverUnreachable


class LexiconError(DnsSolverError):
    """The family of the solver."""

    code = "source.lexicon"
    where = "the DNS solver lexicon, provider {provider}"
    provider: str


class LexiconMissing(LexiconError, SolverRefused):
    """The extra isn't installed."""

    code = "source.lexicon_missing"
    cause = "The library dns-lexicon isn't installed beside the agent."
    fix = 'Install it: pip install "chainwright[lexicon]"; then: chainwright renew'


class LexiconProviderMissing(LexiconError, SolverRefused):
    """A provider needs a library that isn't installed, or the installed version has it no longer."""

    code = "source.lexicon_provider_missing"
    cause = "The installed dns-lexicon can't use {provider}: {reason}."
    fix = 'Install what it needs: pip install "dns-lexicon[{provider}]"; then: chainwright renew'
    reason: str


class LexiconFailed(LexiconError):
    """The service, or the library, failed."""

    code = "source.lexicon_failed"
    cause = "The DNS service did not {deed} the TXT record of {owner}: {kind}: {reason:quoted or it says nothing}."
    fix = "Compare the options with the service's console; dns-lexicon itself is tried with: lexicon {provider} list ZONE TXT"
    deed: str
    owner: str
    kind: str
    reason: str


class LexiconRefused(LexiconFailed, SolverRefused):
    """The service says no: an HTTP status of the request, or credentials that it does not take."""

    code = "source.lexicon_refused"
    fix = (
        "Compare the options with the service's console; dns-lexicon itself is tried with: lexicon {provider} list ZONE TXT; "
        "then: chainwright renew"
    )


class LexiconEnded(LexiconError, SolverUnreachable):
    """The process of the library ended without a word, or took too long."""

    code = "source.lexicon_ended"
    cause = "dns-lexicon did not come to an end with {owner}: {reason:said}."
    fix = "Look whether this machine reaches the service; seconds in the table says how long it may take."
    detail = "{said}"
    owner: str
    reason: str
    said: str = ""

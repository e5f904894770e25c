"""Chains of an ACME CA: the settings, and the pure half of the source. What talks to a CA is imported when one is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field

from agent.config.settings import Subject
from agent.contract.fields import PathText, Port, Resolvers, Word
from agent.contract.source import Due, Offer, OrderContext, RequestState, Source, SourceContext, Watch
from agent.model.known_cas import KNOWN_DIRECTORIES, is_for_customers, title_of
from agent.model.need import Request
from agent.pki.chain import Chain, KeyType, Purpose
from agent.sources.acme.challenges.challenge_type import ChallengeType
from agent.sources.acme.limit_rules import LimitSettings
from agent.sources.acme.provable import why_not_provable
from agent.sources.acme.values import FOR_ADDRESSES, Argv, DirectoryUrl, ExternalAccount, Mails, VantagePoint
from agent.system.names import is_address, is_public

MOST_NAMES = 100
"""Of Let's Encrypt's classic profile; no CA takes more."""
SMALL_PROFILES = {"tlsserver": 25, "shortlived": 25}
"""How many names Let's Encrypt certifies by a profile (https://letsencrypt.org/docs/profiles/)."""
WITH_SMALL_PROFILES = frozenset({KNOWN_DIRECTORIES["letsencrypt"], KNOWN_DIRECTORIES["letsencrypt-staging"]})
WITHOUT_PERSIST = frozenset({KNOWN_DIRECTORIES["letsencrypt"]})
"""CAs that have said that they take dns-persist-01 only as of its draft -02: they do once their directory announces that."""
CERTIFIED = frozenset(KeyType) - {KeyType.ED25519}
"""Key types that public CAs certify (CA/Browser Forum Baseline Requirements, section 6.1.1.3)."""


class AcmeSource(Source):
    """Chains of an ACME CA (RFC 8555): Let's Encrypt unless `directory` names another one."""

    name: ClassVar[str] = "acme"
    title: ClassVar[str] = "ACME"
    uses_account_key: ClassVar[bool] = True
    watches: ClassVar[bool] = True
    tells_time: ClassVar[bool] = True
    concurrency: ClassVar[int] = 16  # an order mostly waits; `Pace` says how many requests are under way

    directory: DirectoryUrl = Field(
        "letsencrypt",
        description=f"the CA: {', '.join(map(repr, KNOWN_DIRECTORIES))}".replace("'", '"')
        + ", or the URL of its directory",
    )
    contact: Mails = Field((), description="e-mail addresses that the CA may write to")
    agree_terms: bool = Field(True, description="agree to the terms of service of the CA")
    profile: Word | None = Field(None, description='what kind of certificate to ask for, for example "tlsserver"')
    profile_required: bool = Field(
        False,
        description="ask for nothing else where the CA does not offer the profile; by default it's only preferred",
    )
    preferred_chain: Subject = Field(
        "default", description='"default", "shortest", or the common name of the issuer at the top of the chain'
    )
    trust: PathText | None = Field(None, description="PEM file with the roots that the CA's own server is trusted by")
    external_account: ExternalAccount | None = Field(
        None, description="the account at the CA that the ACME account is bound to"
    )
    account_key: Literal["shared", "own"] = Field(
        "shared", description='"own": an account key for this CA alone, which no other CA sees'
    )
    names: Literal["public", "any"] = Field(
        "public", description='"any" for the CA of a company that certifies local names too'
    )
    challenges: tuple[ChallengeType, ...] = Field(
        tuple(ChallengeType),
        min_length=1,
        description="ways to prove a name, in the order in which they are tried; by default all of them, the cheapest first",
    )
    addresses: bool = Field(False, description="ask for addresses too (RFC 8738)")
    preflight: bool = Field(True, description="look at DNS, CAA and port 80 before the CA is asked")
    limits: LimitSettings = Field(LimitSettings(), description="what the CA allows you; a table")
    resolvers: Resolvers = Field((), description="DNS servers to ask there; by default those of the system")
    dns_port: Port = Field(53, description="where the servers of zones answer; not 53 for test CAs only")
    http_port: Port = Field(80, description="where the CA looks for answers to HTTP-01; not 80 for test CAs only")
    only_if: Argv = Field(
        (),
        description="command that ends with 0 where this machine is to ask the CA now, for one of a pair; by default it asks",
    )
    challenge_window: Argv = Field(
        (),
        description="command that opens the way to this machine for challenges, and closes it: with {action}, {ports}, "
        "{families}, {names} and {id} in its arguments",
    )
    vantage_point: VantagePoint = Field(
        (),
        description="command that fetches {url} from outside this network and prints what it gets: asked before the CA is told "
        "to look at port 80",
    )
    tls_port: Port = Field(443, description="where the CA looks for answers to TLS-ALPN-01; not 443 for test CAs only")

    @property
    def directory_url(self) -> str:
        """Return the URL of the CA's directory."""
        return KNOWN_DIRECTORIES.get(self.directory, self.directory)

    @property
    def ca(self) -> str:
        """Return what people call the CA: the host of its directory where it has no better name."""
        return title_of(self.directory_url) or str(urlsplit(self.directory).hostname)

    @property
    def authority(self) -> str:
        """Return what people call the CA."""
        return self.ca

    @property
    def origin(self) -> str:
        """Return the URL of the CA's directory."""
        return self.directory_url

    @property
    def named_files(self) -> tuple[str, ...]:
        """Return the file of `trust`."""
        return (self.trust,) if self.trust else ()

    def check_files(self, rooted: Callable[[str], Path]) -> None:
        """Check that `trust` can be used. Raises `TrustFileUnusable`."""
        if self.trust:
            from agent.sources.acme.trust_file import check_trust_file

            check_trust_file(rooted(self.trust))

    def check_account(self) -> None:
        """Check that a first order can make an account, as far as is known without asking. Raises `ExternalAccountMissing`."""
        if self.external_account is None and is_for_customers(self.directory_url):
            from agent.errors.account import ExternalAccountMissing

            raise ExternalAccountMissing(self.ca)

    @property
    def private(self) -> bool:
        """Return whether the CA is a company's own: it may see another DNS than the world does."""
        return self.names == "any" or self.trust is not None

    def offers(self, request: Request, state: RequestState) -> Offer:
        """Serve what the CA certifies and one of `challenges` can prove."""
        reason = self._why_not(request, state)
        return Offer(serves=not reason, reason=reason)

    def _why_not(self, request: Request, state: RequestState) -> str:
        if request.purpose is not Purpose.SERVER:
            return "it certifies servers only"
        if request.key_type not in CERTIFIED:
            return f"it certifies no {request.key_type} keys"
        profile = self.profile or (FOR_ADDRESSES if any(map(is_address, request.names)) else "")
        is_small = self.directory_url in WITH_SMALL_PROFILES and profile in SMALL_PROFILES
        most, by = (SMALL_PROFILES[profile], f" by the profile {profile}") if is_small else (MOST_NAMES, "")
        if len(request.names) > most:
            return f"it certifies at most {most} names in one chain{by}, not {len(request.names)}"
        reasons = (self._why_not_the_name(name, state) for name in sorted(request.names))
        return next((reason for reason in reasons if reason), "")

    def _why_not_the_name(self, name: str, state: RequestState) -> str:
        reason = self.why_not_asked(name)
        return reason or why_not_provable(name, self.challenges, state, persist=not self.announces_persist)

    def why_not_asked(self, name: str) -> str:
        """Return a clause that says why the CA is never asked to certify a canonical name; empty: it may be."""
        if name.endswith(".onion"):
            return f"{name} is an onion service, which can't be proved here"
        if is_address(name) and not self.addresses:
            return f"{name} is an address, which it is not asked for (addresses = false)"
        if self.names == "public" and not is_public(name):
            return f"{name} is no public name"
        return ""

    @property
    def announces_persist(self) -> bool:
        """Return whether the CA takes dns-persist-01 only where its directory says so."""
        return self.directory_url in WITHOUT_PERSIST

    def persistent_names(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return those of `names` that a lasting TXT record could prove to the CA (dns-persist-01)."""
        if ChallengeType.DNS_PERSIST_01 not in self.challenges:
            return ()
        return tuple(name for name in names if not is_address(name) and (self.names == "any" or is_public(name)))

    def due(self, request: Request, state: RequestState, now: datetime) -> Due:
        """Renew when the CA suggests it, inside the safety floor; else by the lifetime, a little earlier on each host."""
        from agent.sources.acme.renewal_info import renewal_due

        return renewal_due(state.chain, state.watch, now)

    def obtain(self, request: Request, context: OrderContext) -> Chain:
        """Order a chain, or go on with the order that a process before this one has begun."""
        from agent.sources.acme.order import obtain

        return obtain(self, request, context)

    def inquire(self, chain: Chain, watch: Watch | None, context: SourceContext) -> Watch | None:
        """Ask the CA when the chain is to be renewed (RFC 9773)."""
        from agent.sources.acme.ca_context import ca_context_of

        return ca_context_of(self, context).inquire(chain, watch, context)

    def time(self, context: SourceContext) -> datetime:
        """Return the Date of the CA's directory. Raises ValueError where its server isn't verified."""
        from agent.sources.acme.ca_context import ca_context_of

        if not self.directory_url.startswith("https://"):
            raise ValueError("anybody can have answered")
        return ca_context_of(self, context).client.time(context)

    def revoke(self, chain: Chain, reason: str, context: SourceContext) -> None:
        """Have the CA revoke the chain (RFC 8555 section 7.6)."""
        from agent.sources.acme.ca_context import ca_context_of

        ca_context_of(self, context).revoke(chain, reason, context)

"""`Method`: one way to prove names, for the time of one order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from agent.sources.acme.challenges.challenge_type import ChallengeType

if TYPE_CHECKING:
    from agent.contract.source import SourceContext
    from agent.errors import SourceError
    from agent.sources.acme.ca_context import CaContext
    from agent.sources.acme.messages import Account, Challenge
    from agent.sources.acme.source import AcmeSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the CA is to find for one name."""

    name: str
    """As it is ordered: it may be a wildcard."""
    domain: str
    """Without ``*.``."""
    challenge: Challenge
    token: str
    """Empty: a challenge of this type has none."""
    key_authorization: str
    """RFC 8555 section 8.1; empty without a token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What `Method.prepare` has found out. A name that is in neither of the mappings would be proved."""

    failed: Mapping[str, SourceError] = field(default_factory=dict)
    """Names that the CA would refuse, and why: somebody means the method to work, and it does not."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """Names for which nobody has set the method up, as far as can be seen: a clause like that of `Method.why_not`."""
    warnings: Sequence[str] = ()
    """Sentences."""
    how: Mapping[str, str] = field(default_factory=dict)
    """Of those that would be proved: a clause that says what will be done, where that can't be tried beforehand."""


class Method(ABC):
    """One way to prove names. An object serves one order, or one look at names; `clean_up` it at the end."""

    type: ClassVar[ChallengeType]

    def __init__(self, source: AcmeSource, ca: CaContext, context: SourceContext, account: Account | None) -> None:
        """Take what an order has. Without `account`, names are only looked at and none is known yet."""
        self.source = source
        self.ca = ca
        self.context = context
        self.account = account

    @abstractmethod
    def why_not(self, name: str) -> str:
        """Return a clause that says why it can't be tried for a canonical name at all; empty: it can.

        Known from the settings alone, without asking anybody: "it proves no wildcards". It says what to do about it.
        """

    @abstractmethod
    def prepare(self, names: Collection[str], *, retry_at: datetime) -> Outlook:
        """Find out beforehand which of `names`, none of which `why_not` rules out, would not be proved. Raises nothing.

        An error says that it's tried again at `retry_at`.
        """

    @abstractmethod
    def present(self, answers: Sequence[Answer], *, retry_at: datetime) -> None:
        """Make sure that the CA finds all answers of the order, before it's told to look. Raises `SourceError`.

        What is there already stays: an order may go on after a crash.
        """

    @abstractmethod
    def clean_up(self) -> None:
        """Take all answers away again. Raises nothing; it's called once, whatever has become of the order."""

"""Actions that can be due, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from agent.model.kept_key import KeyReuse
from agent.model.need import Request
from agent.pki.key import KeyType


@dataclass(frozen=True, slots=True)
class MakeRoot:
    """Make the appliance's own root: there is none."""

    reason: str = "the appliance has no root yet"


@dataclass(frozen=True, slots=True)
class PrepareRoot:
    """Make the root that signs next, and publish it."""

    reason: str
    key_type: KeyType
    beside: bool = False
    """It will sign beside the main root, for keys of its own kind alone."""


@dataclass(frozen=True, slots=True)
class CrossCertify:
    """Have two roots certify each other."""

    root: str
    """SHA-256 of the newer one."""
    before: str
    """SHA-256 of the older one."""
    reason: str


@dataclass(frozen=True, slots=True)
class BeginSigning:
    """Have a prepared root sign from now on."""

    root: str
    """SHA-256."""
    subject: str
    reason: str


@dataclass(frozen=True, slots=True)
class EndSigning:
    """Have the root beside the main one sign no longer."""

    root: str
    """SHA-256."""
    subject: str
    reason: str


@dataclass(frozen=True, slots=True)
class RetireRoot:
    """Believe a root no longer that another one has replaced."""

    root: str
    """SHA-256."""
    subject: str
    reason: str


@dataclass(frozen=True, slots=True)
class BelieveAgain:
    """Believe a root again that was retired while the clock was ahead."""

    root: str
    """SHA-256."""
    subject: str
    reason: str


RootStep = MakeRoot | PrepareRoot | CrossCertify | BeginSigning | EndSigning | RetireRoot | BelieveAgain


@dataclass(frozen=True, slots=True)
class ListRevoked:
    """Make a new list of what a root has revoked."""

    root: str
    """SHA-256."""
    reason: str


@dataclass(frozen=True, slots=True)
class SignAgain:
    """Sign a peer's request once more."""

    peer: str
    """SHA-256 of the present certificate."""
    module: str
    label: str
    reason: str


@dataclass(frozen=True, slots=True)
class Obtain:
    """Ask a source for a chain."""

    source: str
    request: Request
    needs: tuple[tuple[str, str], ...]
    """Every `(module, slot)` that waits for it; none, where names that were asked for apart are to be one request again."""
    reason: str
    immediate: bool
    forced: bool = False
    """A person insists: checks that only spare the CA are left out."""
    tlsa: tuple[str, ...] = ()
    """Names of the TLSA records that clients judge its chain by."""
    keep_key: KeyReuse | None = None
    """How long its key is kept; None: it has a new one."""
    deadlines: tuple[datetime, ...] = ()
    """When what serves now hands over, and when it ends, the earliest first: tries that fail come closer together before."""
    above: frozenset[str] = frozenset()
    """The sources before it in the ladder: where a person has asked for new chains, theirs are not replaced by its chain."""
    group: tuple[str, ...] = ()
    """The sources that stand in for each other for this request, in their order, this one among them."""

    @property
    def key(self) -> tuple[str, str]:
        """`(request, source)`."""
        return self.request.id, self.source


@dataclass(frozen=True, slots=True)
class PrepareKeys:
    """Keep the key of a request's chain for the next ones, and make the one after it."""

    request: Request
    reason: str


@dataclass(frozen=True, slots=True)
class Inquire:
    """Ask what the CA says of a chain that is bound."""

    chain: str
    """Id."""
    source: str
    reason: str
    names: tuple[str, ...] = ()
    renewal: bool = True
    """Ask its source."""
    revocation: bool = True
    """See whether its CA lists it as revoked."""


@dataclass(frozen=True, slots=True)
class AskDns:
    """Ask DNS for TLSA records."""

    owners: tuple[str, ...]
    reason: str = "it has been a while"


@dataclass(frozen=True, slots=True)
class AskPolicies:
    """Look at MTA-STS policies."""

    domains: tuple[str, ...]
    reason: str = "it has been a while"


@dataclass(frozen=True, slots=True)
class LookAtRecords:
    """Look whether zones have the TXT records that prove names to a source's CA."""

    source: str
    names: tuple[str, ...]
    """As they are ordered, also with ``*.``."""
    waiting: frozenset[str] = frozenset()
    """Those of them for which somebody waits: there is no chain of that source."""
    reason: str = "it has been a while"


@dataclass(frozen=True, slots=True)
class RemoveRecords:
    """Have records removed from DNS that prove names."""

    names: tuple[str, ...]
    reason: str = "no order needs them any more"


@dataclass(frozen=True, slots=True)
class CloseWindows:
    """Have windows closed that were opened for challenges."""

    windows: tuple[str, ...]
    """Their ids."""
    reason: str = "no order needs them any more"


@dataclass(frozen=True, slots=True)
class AskTheTime:
    """Ask the CAs what time it is."""

    reason: str = "the machine's clock isn't believed"


@dataclass(frozen=True, slots=True)
class Deploy:
    """Give a module the chains that it is to have."""

    module: str
    chains: Mapping[str, str]
    """Slot -> id."""
    inputs: str
    """Digest of everything that the generation is made from."""
    reason: str
    bound: Mapping[str, str] = field(default_factory=dict)
    """Slot -> id of the chain that it is bound to; differs from `chains` where that one was refused."""
    better: frozenset[str] = frozenset()
    """Ids of refused chains that a slot would be bound to once its service takes them: their refusals are kept."""
    repair: bool = False
    """Make every file again: what is on disk or on the wire isn't what the agent put there."""


@dataclass(frozen=True, slots=True)
class Settle:
    """Look again whether a service that wasn't running has come up."""

    module: str
    reason: str


@dataclass(frozen=True, slots=True)
class Look:
    """See what the endpoints of a module serve."""

    module: str
    reason: str


@dataclass(frozen=True, slots=True)
class Retire:
    """Take a module out that is no longer configured."""

    module: str
    reason: str = "it is no longer configured"


Action = (
    RootStep
    | ListRevoked
    | SignAgain
    | Obtain
    | PrepareKeys
    | Inquire
    | AskDns
    | AskPolicies
    | LookAtRecords
    | RemoveRecords
    | CloseWindows
    | AskTheTime
    | Deploy
    | Settle
    | Look
    | Retire
)

KINDS: Mapping[type[Action], str] = {
    MakeRoot: "make_root",
    PrepareRoot: "prepare_root",
    CrossCertify: "cross_certify",
    BeginSigning: "begin_signing",
    EndSigning: "end_signing",
    RetireRoot: "retire_root",
    BelieveAgain: "believe_again",
    ListRevoked: "list_revoked",
    SignAgain: "sign_again",
    Obtain: "obtain",
    PrepareKeys: "prepare_keys",
    Inquire: "inquire",
    AskDns: "ask_dns",
    AskPolicies: "ask_policies",
    LookAtRecords: "look_at_records",
    RemoveRecords: "remove_records",
    CloseWindows: "close_windows",
    AskTheTime: "ask_the_time",
    Deploy: "deploy",
    Settle: "settle",
    Look: "look",
    Retire: "retire",
}
VERBS: Mapping[type[Action], str] = {
    Deploy: "deploy",
    Settle: "look again at",
    Look: "look at",
    Retire: "take out",
}
ROOT_STEPS: Mapping[type[Action], str] = {
    MakeRoot: "make a root",
    PrepareRoot: "prepare the root that signs next",
    CrossCertify: "have two roots certify each other",
    BeginSigning: "begin to sign with",
    EndSigning: "sign no longer with",
    RetireRoot: "retire",
    BelieveAgain: "believe again",
}
FOR_ALL: Mapping[type[Action], str] = {
    **ROOT_STEPS,
    ListRevoked: "list what the root has revoked",
    AskDns: "ask DNS for TLSA records",
    AskPolicies: "look at MTA-STS policies",
    LookAtRecords: "look for the TXT records that prove names",
    RemoveRecords: "remove records from DNS",
    CloseWindows: "close challenge windows",
    AskTheTime: "ask the CAs what time it is",
}


def describe(action: Action) -> str:
    """Return one line for people."""
    return f"{_what(action)}: {action.reason}"


def _what(action: Action) -> str:
    match action:
        case SignAgain():
            return f"sign {action.module}/{action.label} again"
        case Obtain():
            return f"ask {action.source} for {', '.join(sorted(action.request.names)[:3])}"
        case PrepareKeys():
            return f"keep the key of {', '.join(sorted(action.request.names)[:3])}"
        case Inquire():
            return f"ask what the CA says of the chain for {', '.join(action.names[:3])}"
        case Deploy() | Settle() | Look() | Retire():
            return f"{VERBS[type(action)]} {action.module}"
        case _:
            return f"{FOR_ALL[type(action)]} {getattr(action, 'subject', '')}".rstrip()


def action_json(action: Action) -> dict[str, object]:
    """Return an action as plain JSON types."""
    row: dict[str, object] = {"action": KINDS[type(action)], "reason": action.reason}
    if isinstance(action, Obtain):
        row |= {"source": action.source, "names": sorted(action.request.names)}
        row["needs"] = [{"module": module, "slot": slot} for module, slot in action.needs]
    elif isinstance(action, PrepareKeys):
        row["names"] = sorted(action.request.names)
    elif isinstance(action, Inquire):
        row |= {"source": action.source, "names": list(action.names), "chain": action.chain}
    elif isinstance(action, LookAtRecords):
        row |= {"source": action.source, "names": list(action.names)}
    elif isinstance(action, AskDns):
        row["names"] = list(action.owners)
    elif isinstance(action, AskPolicies):
        row["names"] = list(action.domains)
    elif isinstance(action, RemoveRecords):
        row["names"] = list(action.names)
    elif isinstance(action, CloseWindows):
        row["windows"] = list(action.windows)
    elif isinstance(action, ListRevoked | CrossCertify | BeginSigning | EndSigning | RetireRoot | BelieveAgain):
        row["root"] = action.root
    elif isinstance(action, SignAgain):
        row |= {"module": action.module, "label": action.label, "peer": action.peer}
    elif not isinstance(action, MakeRoot | PrepareRoot | AskTheTime):
        row["module"] = action.module
    if isinstance(action, Deploy):
        row["chains"] = dict(action.chains)
    return row

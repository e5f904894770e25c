"""Findings about what needs a root with an RSA key and has another one: clients that go by a list, or can do RSA only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from agent.errors.problem import Problem
from agent.errors.wording import few
from agent.model.binding import Binding
from agent.model.finding import Finding, Severity, SubjectKind
from agent.model.need import Need
from agent.model.peer import Peer
from agent.model.records import ChainRecord
from agent.model.root import PUBLISHED, RootPhase, RootRecord, in_phase, signing_root
from agent.pki.key import KeyKind, KeyType

RSA = KeyType.RSA_2048


def of_rsa_roots(
    needs: Sequence[Need],
    bindings: Sequence[Binding],
    chains: Mapping[str, ChainRecord],
    roots: Sequence[RootRecord],
    accepted: Mapping[str, Sequence[KeyType]],
    wanted: Sequence[KeyType],
) -> Iterator[Finding]:
    """Yield a notice for each need of an RSA root where none signs for RSA keys, and none will.

    `chains`: by id. `accepted`: module -> key types that its service takes: where it takes RSA alone, nothing says that its
    clients can do no other. `wanted`: what the settings want of roots.
    """
    present = signing_root(roots, KeyKind.RSA)
    of_each_kind = {each.kind for each in wanted} >= set(KeyKind)  # one is made in the next pass that may
    if (
        present is None
        or of_each_kind
        or any(each.key_type.kind is KeyKind.RSA for each in roots if each.phase in PUBLISHED)
    ):
        return
    fix = _fix(present, wanted)
    bound = {each.key: chains.get(each.chain or "") for each in bindings}
    signed = {each.key for each in needs if (chain := bound.get(each.key)) and chain.root == present.sha256}
    listing = _listing(needs)
    for module in dict.fromkeys(each.module for each in needs):
        own = [each for each in needs if each.module == module]
        if module in listing:
            yield _finding(module, clients_not_asked(listing[module], present.subject, fix))
        takes = accepted.get(module, ())
        if slots := [f"{module}/{each.slot}" for each in own if each.key in signed and _is_for_rsa_alone(each, takes)]:
            yield _finding(module, rsa_signed_by_other(slots, present.subject, fix))


def of_unlisted_peers(needs: Sequence[Need], peers: Sequence[Peer], roots: Sequence[RootRecord]) -> Iterator[Finding]:
    """Yield a notice for each module that names the RSA root alone to clients, where peers have certificates of the other one.

    A request is signed by the root of its own kind: the RSA root does not help those with other keys.
    """
    signer = signing_root(roots, KeyKind.ELLIPTIC)
    if signer is None or not any(each.key_type.kind is KeyKind.RSA for each in roots if each.phase in PUBLISHED):
        return
    following = in_phase(roots, RootPhase.PREPARED, beside=signer.beside) or signer
    if KeyKind.RSA in {signer.key_type.kind, following.key_type.kind}:
        return
    others = [each for each in peers if each.current and each.key_type.kind is not KeyKind.RSA]
    for module, lists in _listing(needs).items():
        if labels := [each.label for each in others if each.module == module]:
            yield _finding(module, peers_not_listed(lists, labels, signer.subject))


def _listing(needs: Sequence[Need]) -> dict[str, str]:
    """Return the modules that name RSA roots alone to clients, and where they do."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for need in needs:
        if need.lists_rsa:
            found[need.module][need.lists_rsa] = None
    return {module: " and ".join(lists) for module, lists in found.items()}


def _is_for_rsa_alone(need: Need, accepted: Sequence[KeyType]) -> bool:
    """Whether a need takes RSA alone by choice: its service takes other keys as well."""
    return all(each.kind is KeyKind.RSA for each in need.key_types) and any(
        each.kind is not KeyKind.RSA for each in accepted
    )


def _fix(present: RootRecord, wanted: Sequence[KeyType]) -> str:
    if any(each.kind is KeyKind.RSA for each in wanted):
        return "Have the next root made, which has one: chainwright root reissue"
    return f'Have an RSA root beside it: key_type = ["{present.key_type}", "{RSA}"] in [root]'


def _finding(module: str, problem: Problem) -> Finding:
    return Finding(SubjectKind.MODULE, module, Severity.NOTICE, problem)


def clients_not_asked(what: str, root: str, fix: str) -> Problem:
    """Say that clients are asked for certificates by a list that the root isn't in. `what`: who lists, and where."""
    cause = (
        f"Only roots with RSA keys are named to clients by {what}, and the key of {root} is none: clients that go by that list "
        "have no certificate to show."
    )
    return Problem("status.root_not_listed", cause, fix=fix)


def peers_not_listed(what: str, labels: Sequence[str], root: str) -> Problem:
    """Say that peers have certificates that clients that go by the list don't show. `what`: who lists, and where."""
    cause = (
        f"Only roots with RSA keys are named to clients by {what}. {few(labels)}: the certificate is of {root}, "
        "whose key is none, so that a client that goes by that list does not show it."
    )
    fix = "Where it is for such a client, sign a request with an RSA key in its place. See them: chainwright root peers"
    return Problem("status.peers_not_listed", cause, fix=fix)


def rsa_signed_by_other(slots: Sequence[str], root: str, fix: str) -> Problem:
    """Say that chains are for clients that can do RSA alone, and are of a root that they can't use."""
    what = f"{few(slots)}: for clients that can do RSA only, and signed by {root}, whose key is not RSA."
    cause = f"{what} Those clients refuse that."
    return Problem("status.root_not_rsa", cause, fix=fix)

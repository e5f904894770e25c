"""From files to a chain or a root, or to a refusal with its own sentence. Nothing is stored here, and nothing asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from agent.errors.root import RootMayNotSign
from agent.errors.upload import ParentsMissing
from agent.inspection.chain_checks import (
    Finding,
    FindingLevel,
    findings_of,
    refuse_authority,
    refuse_by_time,
    refuse_odd_names,
    refuse_other_purposes,
    refuse_unusable,
)
from agent.inspection.file_types import PARAMETERS
from agent.inspection.input_file import InputFile
from agent.inspection.material import Material, read_material
from agent.inspection.path_building import Path, climb
from agent.inspection.selection import Choice, choose, refuse_strangers
from agent.pki.anchors import Anchors
from agent.pki.authority import Root
from agent.pki.certificate import title_of
from agent.pki.chain import Chain
from agent.pki.path import verify_strength, why_not_an_issuer

if TYPE_CHECKING:
    from cryptography import x509


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A chain that may be stored, and what was seen on the way."""

    chain: Chain
    findings: tuple[Finding, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """What the chain is for, canonical."""
        return self.chain.names

    @property
    def issuer(self) -> str:
        """Common name of the leaf's issuer, else its organization."""
        return self.chain.issuer


def diagnose(
    pieces: Iterable[InputFile],
    *,
    passphrase: bytes | None = None,
    anchors: Anchors | Iterable[x509.Certificate] = (),
    now: datetime,
) -> Diagnosis:
    """Make a chain of what was uploaded.

    `passphrase` opens encrypted keys and PKCS#12; `anchors` are the roots that are known. Raises an `UploadError`, or a
    `ChainError` where key and certificates are not a chain.
    """
    known = Anchors.of(anchors)
    material = read_material(pieces, passphrase)
    choice = choose(material, authority=False)
    refuse_odd_names(choice.certificate)
    refuse_authority(choice.certificate)
    refuse_by_time([choice.certificate], now)
    verify_strength(choice.certificate)
    path = climb(choice.certificate, choice.others, known, now)
    unused = _unused(choice, path)
    refuse_strangers(title_of(path.leaf), unused)
    chain = Chain(choice.key, path.leaf, path.intermediates, path.root)
    refuse_unusable(chain, now)
    return Diagnosis(chain, (*findings_of(chain, known, now), *_findings(material, choice, path, unused)))


def diagnose_root(pieces: Iterable[InputFile], *, passphrase: bytes | None = None, now: datetime) -> Root:
    """Make a root of an authority's certificate, its key, and its parents where it is a subordinate one.

    Raises an `UploadError`, a `RootError` where it may not sign, or a `ChainError` about its key or a signature.
    """
    choice = choose(read_material(pieces, passphrase), authority=True)
    certificate = choice.certificate
    if reason := why_not_an_issuer(certificate, 0):
        raise RootMayNotSign(title_of(certificate), reason)
    verify_strength(certificate)
    refuse_by_time([certificate], now)
    path = climb(certificate, choice.others, Anchors(), now, ParentsMissing)
    refuse_strangers(title_of(certificate), _unused(choice, path))
    parents = (*path.intermediates, *([path.root] if path.root else []))
    refuse_by_time(parents, now)
    refuse_other_purposes((certificate, *path.intermediates))
    return Root(choice.key, certificate, parents)


def _unused(choice: Choice, path: Path) -> list[x509.Certificate]:
    used = {path.leaf, *path.intermediates, path.root}
    return [each for each in choice.others if each not in used]


def _findings(material: Material, choice: Choice, path: Path, unused: list[x509.Certificate]) -> Iterator[Finding]:
    """Yield what was done with what was given."""
    if path.root in choice.others:
        yield Finding(FindingLevel.NOTE, "root included, will not be served")
    for certificate in path.intermediates:
        if certificate not in choice.others:
            yield Finding(FindingLevel.NOTE, f'"{title_of(certificate)}" was not given, and taken from the known ones')
    yield from _left_out(material.duplicates, "duplicate", "duplicates")
    yield from _left_out(len(choice.older), "older certificate", "older certificates")
    of_no_use = ("certificate that the chain does not need", "certificates that the chain does not need")
    yield from _left_out(len(unused), *of_no_use)
    for place, look in material.useless:
        if look is not PARAMETERS:
            yield Finding(FindingLevel.NOTE, f"{look.what} left out ({place})")


def _left_out(number: int, one: str, many: str) -> Iterator[Finding]:
    if number:
        yield Finding(FindingLevel.NOTE, f"{number} {one if number == 1 else many} left out")

"""Diagnosis of an upload: from files to a chain or a root, or to a refusal. Stores nothing, and asks nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from agent.errors.root import RootMayNotSign
from agent.errors.upload import ParentsMissing
from agent.errors.wording import quoted
from agent.inspection.chain_checks import (
    Remark,
    RemarkLevel,
    refuse_authority,
    remarks_of,
)
from agent.inspection.file_types import PARAMETERS
from agent.inspection.input_file import InputFile
from agent.inspection.material import Material, read_material
from agent.inspection.path_building import BuiltPath, find_path
from agent.inspection.selection import SelectedPair, refuse_strangers, select_pair
from agent.pki.anchors import Anchors
from agent.pki.authority import Root
from agent.pki.certificate import is_self_signed, title_of
from agent.pki.chain import Chain, Purpose
from agent.pki.judge import judge, judge_authorities, judge_leaf
from agent.pki.judgement import Objection
from agent.pki.path import why_not_an_issuer

if TYPE_CHECKING:
    from cryptography import x509


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A chain that may be stored, and remarks about it and about the upload."""

    chain: Chain
    remarks: tuple[Remark, ...]
    warnings: tuple[Objection, ...] = ()
    """What some clients refuse."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the chain, canonical."""
        return self.chain.names

    @property
    def issuer(self) -> str:
        """Common name of the leaf's issuer, else its organization."""
        return self.chain.issuer


def diagnose(
    files: Iterable[InputFile],
    *,
    passphrase: bytes | None = None,
    anchors: Anchors | Iterable[x509.Certificate] = (),
    now: datetime,
    wanted: str = "",
    opening: Callable[[str], None] | None = None,
) -> Diagnosis:
    """Make a chain of uploaded files.

    `wanted` is the name that it is for, where there are several chains; `passphrase` opens encrypted keys and PKCS#12;
    `anchors` are the roots that are known; `opening` is told the place of each key and bundle before it is opened. Raises an
    `UploadError`, or a `ChainError` where key and certificates are not a chain.
    """
    known = Anchors.of(anchors)
    material = read_material(files, passphrase, opening)
    pair = select_pair(material, authority=False, now=now, wanted=wanted)
    refuse_authority(pair.certificate)
    judge_leaf(pair.certificate, purpose=Purpose.SERVER, now=now).require_good()
    path = find_path(pair.certificate, pair.others, known, now)
    unused = _unused(pair, path)
    refuse_strangers(title_of(path.leaf), unused)
    others = _other_roots(unused, path, known, now)
    unused = [each for each in unused if each not in others]
    chain = Chain(key=pair.key, leaf=path.leaf, intermediates=path.intermediates, anchor=path.root, other_roots=others)
    judgement = judge(chain, purpose=Purpose.SERVER, now=now, anchors=known)
    judgement.require_good()
    remarks = (*remarks_of(chain, judgement, known, now), *_upload_remarks(material, pair, path, unused, others))
    return Diagnosis(chain, remarks, judgement.warnings)


def diagnose_root(
    files: Iterable[InputFile],
    *,
    passphrase: bytes | None = None,
    now: datetime,
    opening: Callable[[str], None] | None = None,
) -> Root:
    """Make a root of an authority's certificate, its key, and its parents where it is a subordinate one.

    Raises an `UploadError`, a `RootError` where it may not sign, or a `ChainError` about its key or a signature.
    """
    pair = select_pair(read_material(files, passphrase, opening), authority=True, now=now)
    certificate = pair.certificate
    if reason := why_not_an_issuer(certificate, 0):
        raise RootMayNotSign(title_of(certificate), reason)
    judge_authorities([certificate], purpose=Purpose.SERVER, now=now).require_good()
    path = find_path(certificate, pair.others, Anchors(), now, ParentsMissing)
    refuse_strangers(title_of(certificate), _unused(pair, path))
    parents = (*path.intermediates, *([path.root] if path.root else []))
    for below, parent in enumerate(parents, start=1):
        if reason := why_not_an_issuer(parent, below):
            raise RootMayNotSign(
                title_of(certificate), f"{quoted(title_of(parent))} above it may not sign it: {reason}"
            )
    judge_authorities(parents, now=now).require_good()
    judge_authorities(path.intermediates, now=now, purpose=Purpose.SERVER).require_good()
    return Root(pair.key, certificate, parents)


def _unused(pair: SelectedPair, path: BuiltPath) -> list[x509.Certificate]:
    used = {path.leaf, *path.intermediates, path.root}
    return [each for each in pair.others if each not in used]


def _other_roots(
    unused: Sequence[x509.Certificate], path: BuiltPath, known: Anchors, now: datetime
) -> tuple[x509.Certificate, ...]:
    """Return the roots that a private authority has given beside its own: the next one, or the one before.

    What is known anyway was put there for completeness, as in bundles of public authorities.
    """
    if path.root is None:
        return ()
    roots = [each for each in unused if is_self_signed(each) and each not in known]
    return tuple(each for each in roots if each.not_valid_before_utc <= now < each.not_valid_after_utc)


def _upload_remarks(
    material: Material,
    pair: SelectedPair,
    path: BuiltPath,
    unused: list[x509.Certificate],
    others: Sequence[x509.Certificate],
) -> Iterator[Remark]:
    """Yield remarks about what was left out of the upload, or added to it."""
    if path.root in pair.others:
        yield Remark(RemarkLevel.NOTE, "root included, will not be served")
    for certificate in path.intermediates:
        if certificate not in pair.others:
            yield Remark(
                RemarkLevel.NOTE, f'"{title_of(certificate)}" was missing, and taken from the known certificates'
            )
    for each in others:
        yield Remark(
            RemarkLevel.NOTE, f'"{title_of(each)}" is believed beside the root, where a peer is verified by it'
        )
    yield from _left_out(material.duplicates, "duplicate", "duplicates")
    for title in pair.left:
        yield Remark(RemarkLevel.NOTE, f'"{title}" left out, and its key')
    yield from _left_out(len(pair.older), "older certificate", "older certificates")
    of_no_use = ("certificate that the chain does not need", "certificates that the chain does not need")
    yield from _left_out(len(unused), *of_no_use)
    for place, file_type in material.useless:
        if file_type is not PARAMETERS:
            yield Remark(RemarkLevel.NOTE, f"{file_type.what} left out ({place})")


def _left_out(number: int, one: str, many: str) -> Iterator[Remark]:
    if number:
        yield Remark(RemarkLevel.NOTE, f"{number} {one if number == 1 else many} left out")

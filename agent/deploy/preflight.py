"""Checks of staged files, read back from disk: most services' own tests accept a key that does not match."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from agent.contract.fields import Secret
from agent.contract.source import ChainRecord
from agent.errors import AgentError
from agent.errors.deploy import PreflightRefused
from agent.model.deployment import ManifestFile
from agent.model.need import Need
from agent.pki.encoding import Format, Part, decode_parts
from agent.system.names import covers_all
from agent.system.trust import read_regular

if TYPE_CHECKING:
    from cryptography import x509

    from agent.pki.encoding import KeyAndCertificates
    from agent.pki.private_key import PrivateKey


@dataclass(frozen=True)
class StagedPart:
    """One part of a staged generation."""

    module: str
    slot: str
    directory: Path
    files: tuple[ManifestFile, ...]
    record: ChainRecord
    need: Need | None
    passwords: Mapping[str, Secret] = field(default_factory=dict, repr=False)
    """Of files, by what their manifest says of it."""

    @property
    def chain_files(self) -> list[ManifestFile]:
        """Files with parts of the chain, but for those whose password has changed and which were not made again."""
        readable = {None, *self.passwords}
        return [file for file in self.files if file.chain is not None and file.password in readable]


def inspect(part: StagedPart, now: datetime) -> None:
    """Check what a service will read. Raises `PreflightRefused` with the first thing that is wrong.

    The chain's signatures were verified when it was built. This verifies that the files hold that chain and its key, and
    that the chain meets the need at `now`.
    """
    where = f"{part.module}/{part.slot}"
    _right_for_the_need(part, where, now)
    keys: list[PrivateKey] = []
    leaf: x509.Certificate | None = None
    presented = False
    for file in part.chain_files:
        secret = part.passwords.get(file.password or "")
        password = secret.reveal().encode() if secret else None
        key, certificates = _read(part.directory / file.path, file, where, password)
        if key is not None:
            keys.append(key)
        _is_expected(file, certificates, part.record, where)
        presented = presented or bool(certificates)
        if certificates and {"leaf", "fullchain"} & set(file.parts):
            leaf = certificates[0]
    if presented:
        _matches(keys, leaf, where)


def inspect_all(parts: Iterable[StagedPart], now: datetime) -> Mapping[tuple[str, str], AgentError]:
    """Check many parts; return what is wrong by `(module, slot)`."""
    found: dict[tuple[str, str], AgentError] = {}
    for part in parts:
        try:
            inspect(part, now)
        except PreflightRefused as error:
            found[part.module, part.slot] = error
    return found


def _right_for_the_need(part: StagedPart, where: str, now: datetime) -> None:
    record, need = part.record, part.need
    if now < record.not_before:
        raise PreflightRefused(where, f"the chain is not valid before {record.not_before:%Y-%m-%d %H:%M} UTC")
    if now >= record.not_after:
        raise PreflightRefused(where, f"the chain expired on {record.not_after:%Y-%m-%d}")
    if need is None:
        return
    if not covers_all(record.names, need.names):
        missing = next(name for name in need.names if not covers_all(record.names, [name]))
        raise PreflightRefused(where, f"the chain does not cover {missing}")
    if record.key_type not in need.key_types:
        raise PreflightRefused(where, f"the service does not accept a key of type {record.key_type}")
    if need.purpose not in record.purposes:
        raise PreflightRefused(where, f"the chain is not for {need.purpose} authentication")


def _read(path: Path, file: ManifestFile, where: str, password: bytes | None) -> KeyAndCertificates:
    try:
        parts, form = [Part(part) for part in file.parts], Format(file.format)
        return decode_parts(read_regular(path), parts, form, password=password)
    except OSError as error:
        raise PreflightRefused(where, f"{path.name} can't be read ({error.strerror})") from error
    except AgentError as error:
        raise PreflightRefused(where, f"{path.name}: {error.problem.cause.rstrip('.')}") from error


def _is_expected(file: ManifestFile, certificates: Sequence[x509.Certificate], record: ChainRecord, where: str) -> None:
    from agent.pki.certificate import sha256_of

    fingerprints = [sha256_of(certificate) for certificate in certificates]
    name = Path(file.path).name
    parts = set(file.parts)
    if "fullchain" in parts or {"leaf", "intermediates"} <= parts:
        if tuple(fingerprints) != record.fingerprints:
            raise PreflightRefused(where, f"{name} does not hold the whole chain in its order")
    elif "leaf" in parts and fingerprints[:1] != [record.id]:
        raise PreflightRefused(where, f"{name} does not hold the leaf of the chain")
    elif "intermediates" in parts and tuple(fingerprints) != _intermediates(file, record):
        raise PreflightRefused(where, f"{name} does not hold the intermediates of the chain")


def _intermediates(file: ManifestFile, record: ChainRecord) -> tuple[str, ...]:
    """Return the intermediates that a file should hold: all, or one where each has a file of its own."""
    every = record.fingerprints[1:]
    return every if file.index is None else every[file.index : file.index + 1]


def _matches(keys: Sequence[PrivateKey], leaf: x509.Certificate | None, where: str) -> None:
    from agent.pki.path import verify_pair

    if leaf is None:
        raise PreflightRefused(where, "no file holds the leaf of the chain")
    for key in keys:
        try:
            verify_pair(key, leaf)
        except AgentError as error:
            raise PreflightRefused(where, error.problem.cause.rstrip(".")) from error

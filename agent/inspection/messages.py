"""What an inspection's process is asked and what it answers: lines of JSON over pipes, never pickles or files."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.serialization import Encoding

from agent.errors import AgentError
from agent.inspection.chain_checks import Remark, RemarkLevel
from agent.inspection.diagnosis import Diagnosis
from agent.inspection.input_file import InputFile
from agent.pki.authority import Root
from agent.pki.certificate import load_certificates
from agent.pki.chain import Chain
from agent.pki.judgement import Objection
from agent.pki.key import key_pem, load_key

if TYPE_CHECKING:
    from cryptography import x509

TIME = "time"


@dataclass(frozen=True, slots=True)
class Question:
    """Files to inspect, and what is needed for it."""

    files: tuple[InputFile, ...]
    now: datetime
    passphrase: bytes | None = field(default=None, repr=False)
    authority: bool = False
    """Whether they are to be a root."""
    wanted: str = ""
    """Name that a chain is for."""
    appliance: Path | None = None
    """Root directory of the layout in which the known roots are; None: no root is known."""
    own: str = ""
    """Roots of the appliance itself, as PEM."""

    def to_json(self) -> bytes:
        """Return what `from_json` reads."""
        row = {
            "files": [[each.name, base64.b64encode(each.data).decode()] for each in self.files],
            "now": self.now.isoformat(),
            "passphrase": None if self.passphrase is None else base64.b64encode(self.passphrase).decode(),
            "authority": self.authority,
            "wanted": self.wanted,
            "appliance": None if self.appliance is None else str(self.appliance),
            "own": self.own,
        }
        return json.dumps(row).encode()

    @classmethod
    def from_json(cls, line: bytes) -> Question:
        """Read what `to_json` wrote."""
        row = json.loads(line)
        return cls(
            tuple(InputFile(name, base64.b64decode(data)) for name, data in row["files"]),
            datetime.fromisoformat(row["now"]),
            None if row["passphrase"] is None else base64.b64decode(row["passphrase"]),
            row["authority"],
            row["wanted"],
            None if row["appliance"] is None else Path(row["appliance"]),
            row["own"],
        )


def diagnosis_row(found: Diagnosis) -> dict[str, Any]:
    """Return a diagnosis as JSON types. It holds the private key."""
    chain = found.chain
    return {
        "key": key_pem(chain.key).decode(),
        "certificates": _pem((chain.leaf, *chain.intermediates)),
        "anchor": _pem([chain.anchor] if chain.anchor else []),
        "other_roots": _pem(chain.other_roots),
        "remarks": [[str(each.level), each.sentence] for each in found.remarks],
        "warnings": [[each.code, each.certificate, each.sentence, each.clients] for each in found.warnings],
    }


def diagnosis_of(row: dict[str, Any]) -> Diagnosis:
    """Read what `diagnosis_row` made. Raises a `ChainError` where it is no chain."""
    leaf, *intermediates = load_certificates(row["certificates"].encode())
    anchor = load_certificates(row["anchor"].encode())[0] if row["anchor"] else None
    others = load_certificates(row["other_roots"].encode()) if row["other_roots"] else ()
    chain = Chain(
        key=load_key(row["key"].encode()),
        leaf=leaf,
        intermediates=tuple(intermediates),
        anchor=anchor,
        other_roots=others,
    )
    remarks = tuple(Remark(RemarkLevel(level), sentence) for level, sentence in row["remarks"])
    return Diagnosis(chain, remarks, tuple(Objection(*each) for each in row["warnings"]))


def root_row(root: Root) -> dict[str, Any]:
    """Return a root as JSON types. It holds the private key."""
    return {"key": key_pem(root.key).decode(), "certificates": _pem((root.certificate, *root.parents))}


def root_of(row: dict[str, Any]) -> Root:
    """Read what `root_row` made. Raises a `RootError` or a `ChainError`."""
    return Root.from_pem(row["certificates"].encode(), row["key"].encode())


def error_row(error: AgentError) -> dict[str, Any]:
    """Return an error as JSON types."""
    return {"code": error.code, "fields": {name: _plain(value) for name, value in vars(error).items()}}


def error_of(row: dict[str, Any]) -> AgentError:
    """Read what `error_row` made. Raises `KeyError` for a code that no class has."""
    kinds = {each.code: each for each in _below(AgentError)}
    fields = {name: _value(value) for name, value in row["fields"].items()}
    return kinds[row["code"]](**fields)


def _pem(certificates: Sequence[x509.Certificate]) -> str:
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return {TIME: value.isoformat()}
    return value if isinstance(value, str | int | None) else [str(each) for each in value]


def _value(value: Any) -> Any:
    return datetime.fromisoformat(value[TIME]) if isinstance(value, dict) else value


def _below(kind: type[AgentError]) -> Iterator[type[AgentError]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)

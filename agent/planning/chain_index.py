"""`ChainIndex`: chains by what a need asks for. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from agent.model.need import Need
from agent.model.records import ChainRecord
from agent.model.root import Signer
from agent.pki.key import KeyKind
from agent.system.names import WILDCARD, covers_all, is_address


class ChainIndex:
    """Index of the chains by which a need finds its own without walking over all of them.

    `signers`: which root signs for which kind of key.
    """

    def __init__(self, chains: Iterable[ChainRecord], signers: Mapping[KeyKind, Signer]) -> None:
        self._signers = signers
        self._made: dict[tuple[str, str], list[ChainRecord]] = defaultdict(list)
        self._named: dict[tuple[str, str], list[ChainRecord]] = defaultdict(list)
        self._by_id: dict[str, ChainRecord] = {}
        self.uploaded: list[ChainRecord] = []
        for record in chains:
            self._by_id[record.id] = record
            if record.request is None:
                self.uploaded.append(record)
            else:
                self._made[record.source, record.request].append(record)
                for name in record.names:
                    self._named[record.source, name].append(record)

    def get(self, chain: str | None) -> ChainRecord | None:
        """Return a chain by its id."""
        return self._by_id.get(chain) if chain else None

    def made_for(self, sources: Iterable[str], request: str, now: datetime) -> list[ChainRecord]:
        """Return good chains of `sources` for a request: those of the root that signs first, the newest of them first."""
        made = (record for source in sources for record in self._made.get((source, request), ()))
        return sorted((record for record in made if record.good(now)), key=self._rank, reverse=True)

    def made_for_more(self, sources: Sequence[str], need: Need, now: datetime) -> list[ChainRecord]:
        """Return good chains that `sources` made for other names and that cover all names of `need`, the newest first."""
        first = need.names[0]
        patterns = dict.fromkeys((first, *([] if is_address(first) else [f"{WILDCARD}{first.partition('.')[2]}"])))
        keys = [(source, each) for source in sources for each in patterns]
        named = [record for key in keys for record in self._named.get(key, ())]
        others = {record.id: record for record in named if set(record.names) != set(need.asked)}
        good = [record for record in others.values() if record.good(now) and covers_all(record.names, need.names)]
        return sorted(good, key=self._rank, reverse=True)

    def _rank(self, record: ChainRecord) -> tuple[object, ...]:
        """Clocks are set back: a beginning doesn't tell under which root a chain was made."""
        signer = self._signers.get(record.key_type.kind)
        present = signer is None or record.root in {None, signer.root}
        return present, *age(record)


def age(record: ChainRecord) -> tuple[datetime, datetime, str]:
    """Certificates count in seconds, so that two of the same begin together."""
    return record.not_before, record.created_at or record.not_before, record.id

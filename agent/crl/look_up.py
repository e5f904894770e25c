"""Bounds of the look-up of one chain: how many addresses, which of them, and one deadline for all."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

MOST_ADDRESSES = 5
"""Of lists, that are asked for one chain."""
SECONDS = 60.0
"""For all lists of one chain: names, connections, redirections and answers."""


class LookUp:
    """What the look-up of one chain may take. `of_upload`: the chain came from a person, who may have chosen the addresses.

    Then only addresses of the Internet are connected to, unless `private` ones are allowed, and nothing is told of what a server
    has answered: else who uploads could read what the appliance reaches.
    """

    def __init__(self, seconds: float, *, of_upload: bool = False, private: bool = False) -> None:
        self.deadline = time.monotonic() + seconds
        """Instant of `time.monotonic`."""
        self.of_upload = of_upload
        self.public_only = of_upload and not private
        self._left = MOST_ADDRESSES

    @property
    def kind(self) -> tuple[bool, bool]:
        """What lists are cached by beside their address: one that was refused to one chain may be fetched for another."""
        return self.of_upload, self.public_only

    @property
    def seconds(self) -> float:
        """Seconds that are left; not less than 0."""
        return max(0.0, self.deadline - time.monotonic())

    def addresses(self, urls: Iterable[str]) -> Iterator[str]:
        """Yield the addresses that may still be asked, and count those that are."""
        for url in urls:
            if not self._left:
                return
            self._left -= 1
            yield url

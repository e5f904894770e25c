"""Drafts of uploads, between preview and confirmation: in memory, for minutes, and never in a page."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from plugins.webui.errors import UploadForgotten
from plugins.webui.forms import File

KEPT = 600.0
"""Seconds."""
MOST = 8
"""Uploads of all sessions, one of each; the oldest is forgotten first."""
LARGEST = 8 * 2**20
"""Octets of all of them; so are these."""


@dataclass(frozen=True, slots=True)
class UploadDraft:
    """Fields and files that were sent for a preview."""

    session: str = field(repr=False)
    fields: Mapping[str, str] = field(repr=False)
    files: tuple[File, ...]
    until: float

    @property
    def octets(self) -> int:
        """What it holds of memory, about."""
        return sum(len(file.content) for file in self.files) + sum(len(value) for value in self.fields.values())


class UploadDrafts:
    """Uploads that wait for their confirmation, by word."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, largest: int = LARGEST) -> None:
        self._clock = clock
        self._largest = largest
        self._uploads: dict[str, UploadDraft] = {}

    def __bool__(self) -> bool:
        """Return whether one waits."""
        self._drop(lambda each: each.until <= self._clock())
        return bool(self._uploads)

    def keep(self, session: str, fields: Mapping[str, str], files: tuple[File, ...]) -> str:
        """Return the word by which an upload is found again, in the same session."""
        self._drop(lambda each: each.session == session)
        self.expire()
        draft = UploadDraft(session, fields, files, self._clock() + KEPT)
        while self._uploads and (len(self._uploads) >= MOST or self._octets + draft.octets > self._largest):
            self._uploads.pop(next(iter(self._uploads)))
        word = secrets.token_urlsafe(16)
        self._uploads[word] = draft
        return word

    def expire(self) -> None:
        """Drop what has been kept for long enough: it may hold a key."""
        self._drop(lambda each: each.until <= self._clock())

    def find(self, session: str, word: str) -> UploadDraft:
        """Return an upload. Raises `UploadForgotten`."""
        upload = self._uploads.get(word)
        if upload is None or upload.session != session or upload.until <= self._clock():
            raise UploadForgotten
        return upload

    def forget(self, session: str) -> None:
        """Drop what a session has sent."""
        self._drop(lambda each: each.session == session)

    @property
    def _octets(self) -> int:
        return sum(each.octets for each in self._uploads.values())

    def _drop(self, goes: Callable[[UploadDraft], bool]) -> None:
        self._uploads = {word: each for word, each in self._uploads.items() if not goes(each)}

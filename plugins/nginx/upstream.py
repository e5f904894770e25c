"""Address of a server that nginx passes requests to."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from chainwright import Upstream


def _with_whole_path(url: Upstream) -> Upstream:
    """Refuse ``http://h/app``: nginx would make ``http://h/apppage`` of it."""
    rest = urlsplit(str(url))
    if rest.query or (rest.path and not rest.path.endswith("/")):
        raise ValueError('must end in "/" where it has a path, and have no query, for example "http://10.0.0.5/app/"')
    return url


Backend = Annotated[Upstream, AfterValidator(_with_whole_path)]
"""``"http://10.0.0.5:8080"``; a path takes the place of ``/``."""

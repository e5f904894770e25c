"""Process of the web interface, as it executes itself: ``python -m plugins.webui START``."""

from __future__ import annotations

import sys

from chainwright import AgentError
from plugins.webui.serving import serve
from plugins.webui.start import Start


def main(text: str) -> str | None:
    """Serve until a signal ends it; return why nothing can be served."""
    try:
        serve(Start.read(text))
    except AgentError as error:
        return str(error)
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

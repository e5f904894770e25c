"""``python -m agent`` is the command `chainwright`, where its script is not on PATH."""

import sys

from agent.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""Arguments that the programs have in common that know what is loaded into charon."""

from __future__ import annotations

import argparse
from pathlib import Path


def parser(program: str, description: str) -> argparse.ArgumentParser:
    """Return a parser for the control socket, what was loaded, and the directories of what is in service."""
    made = argparse.ArgumentParser(prog=f"python -m plugins.ikev2.{program}", description=description)
    made.add_argument("directories", nargs="*", type=Path, metavar="DIRECTORY")
    made.add_argument("--socket", type=Path, required=True, help="charon's vici socket")
    made.add_argument("--state", type=Path, required=True, help="remembers what was loaded")
    return made

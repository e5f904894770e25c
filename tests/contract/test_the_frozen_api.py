"""The public API doesn't change but by additions: plugins that work stay at work.

``tests/golden/api`` has it as text. ``GOLDEN=write`` adds what is new; what breaks plugins it doesn't write, unless the major
number of `CONTRACT` has been raised.
"""

import os
import re
from pathlib import Path

import griffe
import pytest

import chainwright
from agent.contract.version import shown
from support import public_api
from support.golden import DIRECTORY

WHAT_TO_DO = (
    "Plugins that were written for this version would break. Leave the old name, parameter or field beside the new one and say "
    "in agent/contract/version.py that it is deprecated; or raise the major number of CONTRACT there, then GOLDEN=write takes it"
)
ADDED = "it has been added to: read the difference, then GOLDEN=write pytest tests/contract/test_the_frozen_api.py"
FROZEN = {
    "chainwright": lambda: public_api.public_objects(chainwright.__all__),
    "hookspecs": public_api.hooks,
}


def header() -> str:
    return f"# Public API of the plugin contract {shown(chainwright.CONTRACT)}, frozen.\n\n"


def breakages(name: str, old: str, new: str) -> list[str]:
    """Return what breaks plugins in a new text, a sentence each."""
    found = griffe.find_breaking_changes(public_api.read(name, old), public_api.read(name, new))
    return [_without_colours(each.explain(griffe.ExplanationStyle.ONE_LINE)) for each in found]


def _without_colours(text: str) -> str:
    return re.sub(r"\x1b\[\d+m", "", text).partition(": ")[2]


def is_of_this_major(kept: str) -> bool:
    found = re.match(r"# Public API of the plugin contract (\d+)\.", kept)
    return bool(found) and int(found[1]) == chainwright.CONTRACT[0]


@pytest.mark.parametrize("name", FROZEN)
def test_what_plugins_use_is_only_added_to(name: str):
    file = Path(DIRECTORY / "api" / f"{name}.txt")
    kept = file.read_text() if file.exists() else ""
    present = header() + public_api.as_text(FROZEN[name]())
    if is_of_this_major(kept):
        assert breakages(name, kept, present) == [], WHAT_TO_DO
    if os.environ.get("GOLDEN") == "write":
        file.write_text(present)
        return
    assert present == kept, f"{file.name}: {ADDED}"


TEXT = """
class Need():
    def __init__(self, names: tuple[str, ...], *, slot: str = 'default') -> None: ...
    names: tuple[str, ...]

class StartTLS(StrEnum):
    SMTP = 'smtp'

def slot_of(name: str, longest: int = 120) -> str: ...
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("class Need", "class Wish", "Need: Public object was removed"),
        ("    SMTP = 'smtp'", "    ESMTP = 'smtp'", "StartTLS.SMTP: Public object was removed"),
        ("*, slot: str = 'default'", "*, place: str = ''", "Need.__init__(slot): Parameter was removed"),
        ("*, slot: str = 'default'", "*, slot: str = 'main'", "Need.__init__(slot): Parameter default was changed"),
        ("slot: str = 'default'", "slot: str", "Need.__init__(slot): Parameter is now required"),
        ("names: tuple[str, ...], *", "*, names: tuple[str, ...]", "Need.__init__(names): Parameter kind was changed"),
        ("'default')", "'default', pin: str)", "Need.__init__(pin): Parameter was added as required"),
        ("(name: str, longest", "(longest: int, name", "slot_of(name): Positional parameter was moved"),
        ("    names: tuple[str, ...]\n", "    ...\n", "Need.names: Public object was removed"),
    ],
)
def test_what_breaks_plugins_is_named(old: str, new: str, said: str):
    found = breakages("toy", TEXT, TEXT.replace(old, new))
    assert any(said in each for each in found), found


def test_what_is_added_breaks_nothing():
    added = TEXT.replace("'default')", "'default', pin: str | None = None)") + "\ndef more() -> None: ...\n"
    assert breakages("toy", TEXT, added) == []

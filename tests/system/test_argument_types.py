"""Arguments of wrong types are refused by name, and what may stand for another type is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.system.argument_types import WrongArgument
from chainwright import ChainFile, Command, Endpoint, KeyType, Need, Part, Signal, Template, Text


@pytest.mark.parametrize(
    ("kind", "positional", "named", "said"),
    [
        (Need, ["a.example"], {}, '"names" of Need must be a tuple of texts, and is an object of type str'),
        (Need, [(("a.example",),)], {}, '"names" of Need must be a tuple of texts, and holds an object of type tuple'),
        (Need, [("a.example",)], {"slot": None}, '"slot" of Need must be a text, and is None'),
        (
            Need,
            [("a.example",)],
            {"key_types": KeyType.RSA_2048},
            '"key_types" of Need must be a tuple of KeyType, and is an object of type KeyType',
        ),
        (Command, [("true", None)], {}, '"argv" of Command must be a tuple of texts, and holds None'),
        (Command, [("true",)], {"timeout": None}, '"timeout" of Command must be a number, and is None'),
        (Signal, [b"/run/a.pid"], {}, '"pid_file" of Signal must be a path, and is an object of type bytes'),
        (Text, [], {"path": ["a"], "text": ""}, '"path" of Text must be a text, and is an object of type list'),
        (Text, [], {"path": "a", "text": b""}, '"text" of Text must be a text, and is an object of type bytes'),
        (
            Template,
            [],
            {"path": "a", "values": ["b"]},
            '"values" of Template must be a mapping, and is an object of type list',
        ),
        (ChainFile, [], {"path": "a", "parts": None}, '"parts" of ChainFile must be a tuple of Part, and is None'),
        (
            Endpoint,
            [],
            {"port": 1, "interfaces": "eth0"},
            '"interfaces" of Endpoint must be a tuple of texts, and is an object of type str',
        ),
    ],
)
def test_a_wrong_type_is_told_by_the_name_of_its_argument(kind, positional, named, said):
    with pytest.raises(WrongArgument) as caught:
        kind(*positional, **named)
    assert str(caught.value) == said


def test_lists_texts_and_numbers_may_stand_for_what_they_are_made_into():
    assert Need(["a.example"]).names == ("a.example",)
    assert Command([Path("/bin/true"), 5], timeout=3).argv == ("/bin/true", "5")
    assert ChainFile(path="a", parts=["key"], publish="/etc/a").parts == (Part.KEY,)

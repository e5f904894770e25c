"""What was previewed is stored as it was judged then."""

from agent.api.inspections import KEPT, MOST, Inspections
from agent.inspection import InputFile

FILES = [InputFile("a.pem", b"one"), InputFile("b.pem", b"two")]


class Inspect:
    """Counts what it is asked."""

    def __init__(self):
        self.__qualname__ = "inspect"
        self.asked = []

    def __call__(self, files, **options):
        self.asked.append((files, options))
        return object()


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_what_was_previewed_is_taken_once():
    inspect, kept = Inspect(), Inspections()
    seen = kept.preview(inspect, FILES, passphrase=b"x", now=1)
    assert kept
    assert kept.take(inspect, FILES, passphrase=b"x", now=2) is seen
    assert inspect.asked == [(tuple(FILES), {"passphrase": b"x", "now": 1})]
    assert not kept
    assert kept.take(inspect, FILES, passphrase=b"x", now=3) is not seen


def test_anything_else_is_inspected():
    inspect, kept = Inspect(), Inspections()
    seen = kept.preview(inspect, FILES, passphrase=b"x", wanted="", now=1)
    others = (
        (FILES[:1], {"passphrase": b"x", "wanted": ""}),
        (FILES[::-1], {"passphrase": b"x", "wanted": ""}),
        ([InputFile("a.pem", b"oneb.pem"), InputFile("", b"two")], {"passphrase": b"x", "wanted": ""}),
        (FILES, {"passphrase": b"y", "wanted": ""}),
        (FILES, {"passphrase": None, "wanted": ""}),
        (FILES, {"passphrase": b"x", "wanted": "a.example"}),
    )
    assert all(kept.take(inspect, files, **options, now=1) is not seen for files, options in others)
    assert len(inspect.asked) == 1 + len(others)


def test_it_is_forgotten_after_minutes_and_for_others():
    clock = Clock()
    inspect, kept = Inspect(), Inspections(clock)
    seen = kept.preview(inspect, FILES)
    clock.now = KEPT - 1
    assert kept
    clock.now = KEPT
    assert not kept
    assert kept.take(inspect, FILES) is not seen
    seen = kept.preview(inspect, FILES)
    for number in range(MOST):
        kept.preview(inspect, FILES, wanted=str(number))
    assert kept.take(inspect, FILES) is not seen


def test_nothing_of_a_key_is_shown():
    kept = Inspections()
    kept.preview(lambda files: "PRIVATE KEY", FILES)
    assert "PRIVATE" not in repr(vars(kept))

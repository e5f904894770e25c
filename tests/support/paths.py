"""Places in the checkout that tests read."""

from pathlib import Path

TESTS = Path(__file__).parents[1]
CHECKOUT = TESTS.parent
THIRD_PARTY = TESTS / "third_party"
PROCESSES = TESTS / "support" / "processes"
"""Programs that tests start."""
DYING = PROCESSES / "dying.py"
DYING_AT = PROCESSES / "dying_at.py"
DYING_RESTORE = PROCESSES / "dying_restore.py"

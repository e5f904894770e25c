from pathlib import Path

import pytest
from checkout import Checkout, copied_checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return copied_checkout(tmp_path)

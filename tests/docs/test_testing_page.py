"""The samples of docs/plugins/testing.md are tests that pass, as they are written there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from support.paths import CHECKOUT, THIRD_PARTY

PAGE = CHECKOUT / "docs/plugins/testing.md"


def test_the_samples_pass(tmp_path: Path):
    shutil.copy(THIRD_PARTY / "tunnel.py", tmp_path)
    shutil.copytree(THIRD_PARTY / "templates", tmp_path / "templates")
    info = tmp_path / "tunnel-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tunnel\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[chainwright]\ntunnel = tunnel\n")
    samples = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    for number, sample in enumerate(samples):
        (tmp_path / f"test_sample_{number}.py").write_text(sample)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "2 passed" in ran.stdout, ran.stdout

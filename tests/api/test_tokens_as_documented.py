"""The commands of the documentation with which a program uses a token, as they are written there."""

import json
import re
import subprocess

from support.paths import CHECKOUT


def documented(section):
    """Return the commands of the console block that follows these words, without their prompts."""
    text = (CHECKOUT / "docs/modules/webui.md").read_text()
    block = re.search(r"```console\n(.*?)```", text[text.index(section) :], re.DOTALL)
    return [line.removeprefix("# ") for line in block.group(1).splitlines() if line.startswith("# ")]


def test_curl_shows_a_token_that_is_on_no_command_line(box, tmp_path):
    making, asking = documented("A program shows its token")
    made = box.admin.post("/v1/tokens", {"name": "monitoring"}).json["token"]
    for command in (making, asking):
        assert made not in command
    making = making.replace("$(chainwright webui token create monitoring)", made)
    asking = asking.replace("/run/chainwright/api.sock", str(box.appliance.layout.api))
    place = tmp_path / "monitoring"
    place.mkdir()
    for command in (making, asking):
        done = subprocess.run(["bash", "-euc", command], cwd=place, capture_output=True, check=True, timeout=60)
    (header,) = place.iterdir()
    assert header.stat().st_mode & 0o777 == 0o600
    assert json.loads(done.stdout)["summary"]["chains"] == 1
    (token,) = box.admin.get("/v1/tokens").json["tokens"]
    assert token["used_at"] is not None

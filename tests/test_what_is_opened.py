"""Files are opened in one place: `agent.system.trust`. What else opens one is listed here, with the reason."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

from support.paths import CHECKOUT

OPENING = {"open", "read_text", "read_bytes", "fdopen"}
ALLOWED = {
    "agent/system/trust.py": 6,  # the place
    # What the kernel shows
    "agent/daemon/child.py": 1,
    "agent/store/processes.py": 1,
    "agent/system/kernel_clock.py": 1,
    "agent/system/fingerprint.py": 1,
    "agent/system/listeners.py": 2,
    "agent/system/obstacles.py": 2,  # and the flags of what is in the way, never through a link
    "agent/system/processes.py": 4,
    "agent/registry/process_state.py": 2,  # and the null device, where a plugin has closed a standard descriptor
    # The agent's own, never through a link: locks, what is made exclusively, directories that are flushed, modes
    "agent/api/starting.py": 1,
    "agent/store/copies.py": 3,
    "agent/system/clock_memory.py": 2,
    "agent/system/last_look.py": 2,
    "agent/system/lock.py": 3,
    "agent/system/modes.py": 1,
    "agent/system/replacement.py": 1,
    "agent/system/writing.py": 7,
    "agent/daemon/delivery_marks.py": 1,
    # Memory, devices
    "agent/cli/program.py": 2,  # and where the calls of plugins are traced to, as its caller
    "agent/system/command.py": 1,
    "agent/system/program.py": 1,
    "plugins/webui/start.py": 2,
    # Logs that are appended to, in a directory of the agent's, or where the caller says
    "agent/registry/tracing.py": 1,
    "agent/cli/delivery.py": 1,
    "agent/daemon/api_supervisor.py": 1,
    "plugins/ikev2/start.py": 1,
    # A plugin that was imported already, for the line that a sentence names
    "agent/registry/import_hints.py": 1,
    "agent/registry/versions.py": 1,
    # What authors of plugins test with: their own plugin, and what is below a throw-away root
    "agent/registry/drop_ins.py": 2,
    "agent/testing/ports.py": 2,
    "agent/testing/stand_in.py": 1,
    "agent/testing/tls_server.py": 2,
    "agent/testing/toyd.py": 2,
    # Of the package
    "agent/store/made_schema.py": 1,
    "chainwright/_command.py": 1,
    "plugins/lexicon/providers.py": 1,
    "plugins/webui/catalogue.py": 1,
    "plugins/webui/static_files.py": 1,
    # The demo: as its caller, in a directory of his own
    "agent/demo/ca.py": 2,
    "agent/demo/configured.py": 1,
    "agent/demo/demo.py": 2,
    "agent/demo/files.py": 4,
    "agent/demo/ownership.py": 1,
    "agent/demo/pebble.py": 2,
    "agent/demo/processes.py": 3,
    "agent/demo/schemes.py": 1,
    # The web interface's process, as its own user
    "plugins/webui/generation.py": 1,
    "plugins/webui/pid_file.py": 1,
    # Commands that the agent runs, with a timeout: a generation of the agent's, the service's configuration
    "plugins/ikev2/configuration.py": 1,
    "plugins/ikev2/loaded.py": 1,
    "plugins/mail/dovecot_reload.py": 3,
    "plugins/mail/postfix_files.py": 4,
    "plugins/mail/postfix_log.py": 2,
    "plugins/mail/postfix_processes.py": 3,
    "plugins/mail/programs.py": 1,
    "plugins/nginx/observe.py": 3,
    "plugins/nginx/start_nginx.py": 2,
    "plugins/nginx/configuration.py": 1,
    "plugins/sstp/check_accel_ppp.py": 1,
    "plugins/sstp/repair_sstpd.py": 1,
    "plugins/sstp/run_sstpd.py": 8,
    "plugins/sstp/sessions.py": 3,
    "plugins/webui/start_process.py": 3,
    # A directory of its own, followed by no link, to lock it
    "plugins/dns_command/acme_sh.py": 1,
    # A file that an administrator names on the command line
    "plugins/ikev2/commands.py": 1,
}


def opened_in(path: Path) -> int:
    """Return how often a file of the code opens one; methods of the same names that the code itself has are none."""
    found = 0
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        if isinstance(function, ast.Name) and function.id == "open":
            found += 1
        elif isinstance(function, ast.Attribute) and function.attr in OPENING:
            found += not _is_of_the_code(function)
    return found


def _is_of_the_code(function: ast.Attribute) -> bool:
    """Whether it opens a store, a seal, a session, an address."""
    of = ast.unparse(function.value)
    return (
        of == "self"
        or of.startswith(("Store", "Connection", "self._sealer", "sealer", "self._sessions", "store.jobs", "cls"))
        or any(word in of for word in ("opener", "protection", "_opener", "windows"))
    )


def test_nothing_else_opens_files():
    counted = Counter(
        {
            str(path.relative_to(CHECKOUT)): opened_in(path)
            for room in ("agent", "chainwright", "plugins")
            for path in (CHECKOUT / room).rglob("*.py")
        }
    )
    assert {place: count for place, count in counted.items() if count} == ALLOWED

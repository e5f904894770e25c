"""Where the process writes its number."""

PID_FILE = "/run/chainwright-web/webui.pid"
"""In a directory that belongs to the process's user."""

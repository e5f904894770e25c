"""Path of the pid file."""

PID_FILE = "/run/chainwright-web/webui.pid"
"""In a directory that belongs to the process's user."""

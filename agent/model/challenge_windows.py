"""Windows that a source has opened for challenges, as its memory keeps them."""

KEPT = "challenge windows"
"""Key in the memory of a source: ``{"open": [...]}``, a row for each command that has opened one."""
SETTING = "challenge_window"
"""Who has opened a window: the command in the settings; otherwise a plugin."""

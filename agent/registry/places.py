"""Places in plugins that an error names: file and line."""

from __future__ import annotations

import inspect
import traceback


def place_of_code(declared: object, error: BaseException | None = None) -> str:
    """Return ``FILE:LINE`` of a function, method or class, or of where in its file `error` was raised; empty: not known."""
    file = _file_of(declared)
    frames = traceback.extract_tb(error.__traceback__) if error else []
    raised = [frame.lineno for frame in frames if frame.filename == file and frame.lineno]
    line = raised[-1] if raised else _line_of(declared)
    return f"{file}:{line}" if file and line else file


def _file_of(declared: object) -> str:
    try:
        return inspect.getfile(declared)  # type: ignore[arg-type]
    except (TypeError, OSError):
        return ""


def _line_of(declared: object) -> int:
    try:
        return inspect.getsourcelines(declared)[1]  # type: ignore[arg-type]
    except (TypeError, OSError):
        return 0

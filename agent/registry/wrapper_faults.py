"""What pluggy says of a wrapper that is no wrapper, in words for its author."""

from __future__ import annotations

from types import CodeType, TracebackType

RAISED_BY = "_raise_wrapfail"
"""The function of pluggy that raises it; it has the generator in the variable `wrap_controller`."""


class WrapperMisused(TypeError):
    """A wrapper doesn't yield once: why, as a clause."""

    is_clause = True


def misused(error: BaseException) -> WrapperMisused | None:
    """Return what is wrong with the wrapper that pluggy has refused; None: it is another error."""
    code = _code_in(error.__traceback__)
    if code is None:
        return None
    if str(error).endswith("did not yield"):
        return WrapperMisused(f'its wrapper "{code.co_name}" ended before its yield, which gives it the answer')
    return WrapperMisused(f'its wrapper "{code.co_name}" yields twice: its second yield must be a return')


def code_in(traceback: TracebackType) -> CodeType | None:
    """Return the code of the wrapper that this step of a traceback refuses; None: it refuses none."""
    if traceback.tb_frame.f_code.co_name != RAISED_BY:
        return None
    code = getattr(traceback.tb_frame.f_locals.get("wrap_controller"), "gi_code", None)
    return code if isinstance(code, CodeType) else None


def _code_in(traceback: TracebackType | None) -> CodeType | None:
    while traceback is not None:
        if code := code_in(traceback):
            return code
        traceback = traceback.tb_next
    return None

"""Foreign text, made fit for terminals and pages."""


def printable(text: str, longest: int) -> str:
    """Return at most `longest` characters of `text`, with ``?`` for each that is not printable."""
    return "".join(character if character.isprintable() else "?" for character in text[:longest])

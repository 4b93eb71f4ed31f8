"""`${name}` in a text. Pure text: knows no places but offsets, and nothing of where values come from.

`$${` is the characters `${` themselves; a `$` alone is a `$`.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

MARK = "${"
"""A text without it has no variables: worth asking first, as most texts have none."""
ENVIRONMENT = "env:"
USE = re.compile(r"(\$)\$\{|\$\{([^{}\n]*)(\})?")
NAME = re.compile(r"(?:env:)?[A-Za-z_][A-Za-z0-9_]{0,63}\Z")
SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
"""Environment variables that a prompt must never hold: it is sent, echoed, and kept in git by others."""


A_KEY = re.compile(r"\bsk-[\w.-]{16,}")
"""What looks like an API key, whatever the variable or the file is called."""


class Use(NamedTuple):
    """One variable in a text: its offsets, and its name as written, `hero` or `env:CITY`.

    `name` is None for a `${` that is no variable: without its `}`, or with something else than a name inside.
    """

    start: int
    end: int
    name: str | None


def uses(text: str) -> Iterator[Use]:
    """Yield the variables of a text in order."""
    if MARK not in text:
        return
    for found in USE.finditer(text):
        if not found[1]:
            whole = found[3] and NAME.match(found[2])
            yield Use(found.start(), found.end(), found[2] if whole else None)


def filled(text: str, value_of: Callable[[str], str]) -> str:
    """Return a text with the values of its variables; values are not looked into again. Takes a text without mistakes.

    `value_of` gets each name as written.
    """
    if MARK not in text:
        return text
    return USE.sub(lambda found: MARK if found[1] else value_of(found[2]), text)


def escaped(text: str) -> str:
    """Return a text that `filled` gives back as `text`, whatever it holds."""
    return text.replace(MARK, "$" + MARK)

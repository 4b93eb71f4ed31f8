"""What libyaml complains of, in words for people who do not know YAML's grammar.

Text in, text out; a complaint that is not in the table is passed on as it is.
"""

import yaml

QUOTE = "put the whole text in quotes"

WORDS = (
    ("mapping values are not allowed", "a `:` inside an unquoted text", QUOTE),
    ("cannot start any token", "a tab, or a character that unquoted text cannot start with", "use spaces, or quotes"),
    ("could not find expected ':'", "a line that is neither `key: value` nor part of the one above", QUOTE),
    ("did not find expected key", "this line does not line up with the ones above, or an opened quote ends here",
     "keys of one mapping start in the same column; use double quotes around text that has a '"),
    ("did not find expected '-'", "this line does not line up with the list above",
     "entries of one list start with `- ` in the same column"),
    ("did not find expected ',' or ']'", "a [ list ] without its end", "close it with ], or quote the text"),
    ("did not find expected ',' or '}'", "a { mapping } without its end", "close it with }, or quote the text"),
    ("unexpected end of stream", "a quote that is opened and never closed", "close the quote"),
    ("unknown escape", "a backslash in double quotes", "write \\\\ for a backslash, or use single quotes"),
    ("invalid Unicode character escape", "a lone surrogate written as an escape", "write the character itself"),
    ("did not find expected hexdecimal", "an escape without its digits", "write the character itself"),
    ("block sequence entries are not allowed", "a list starts on the line of its key", "start the list on a new line"),
    ("undefined alias", "an alias without an anchor", "write the anchor first"),
    ("unknown directive", "a line that starts with %", QUOTE),
)  # fmt: skip


def yaml_problem(error: Exception, text: str) -> tuple[int, str, str]:
    """Return the offset, the message and the hint of what the parser raised."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    offset = min(mark.index, len(text)) if mark is not None else 0
    said = str(getattr(error, "problem", None) or error).strip() if isinstance(error, yaml.YAMLError) else str(error)
    for sign, message, hint in WORDS:
        if sign in said:
            return offset, f"not YAML here: {message}", hint
    return (
        offset,
        f"not YAML here: {said.splitlines()[0] if said else type(error).__name__}",
        "check the lines around it",
    )

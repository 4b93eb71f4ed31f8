"""What libyaml complains of, in words for people who do not know YAML's grammar.

Text in, text out; a complaint that is not in the table is passed on as it is.
"""

import re

import yaml

KEY = re.compile(r"[ \t]+[\w-]+\Z")
"""The text before a `:` that starts its line: a key, and not a part of a sentence."""
QUOTE = "put the whole text in quotes"
SPACES = "indent with spaces, not with tabs"
LINE_UP = "start the keys of a scene in one column, and so the `- ` of each scene"
FILL = "write it; a text that starts with , ] or } needs quotes"
FOLD = "start the text on the next line, indented; or put it in quotes"

WORDS = (
    ("mapping values are not allowed", "a `:` inside an unquoted text", QUOTE),
    ("found a tab character", "a tab", SPACES),
    ("character '\\t' that cannot", "a tab", SPACES),
    ("cannot start any token", "a character that unquoted text cannot start with", QUOTE),
    ("could not find expected ':'", "a line that is neither `key: value` nor part of the one above",
     "write `key: value`, with a space after the `:`; or put the whole text in quotes"),
    ("did not find expected key", "this does not line up with what is above", LINE_UP),
    ("did not find expected '-'", "this does not line up with what is above", LINE_UP),
    ("expected <block end>", "this does not line up with what is above", LINE_UP),
    ("expected ',' or ']'", "a `,` or `]` is missing before this", "write it, or put the whole text in quotes"),
    ("expected ',' or '}'", "a `,` or `}` is missing before this", "write it, or put the whole text in quotes"),
    ("unexpected end of stream", "a quote that is opened here and never closed", "close the quote"),
    ("unexpected document", "a quote that is opened here and never closed", "close the quote"),
    ("unknown escape", "a backslash in double quotes", "write \\\\ for a backslash, or use single quotes"),
    ("invalid Unicode character escape", "half a character (a lone surrogate) as an escape",
     "write the character itself"),
    ("did not find expected hexdecimal", "an escape without its digits", "write the character itself"),
    ("block sequence entries are not allowed", "a list that starts on the line of its key",
     "start the list on a new line; a text that starts with - needs quotes"),
    ("mapping keys are not allowed", "a text that starts with ?", QUOTE),
    ("expected alphabetic or numeric", "a text that starts with * or &", QUOTE),
    ("expected comment or line break", "a text that starts with > or |", FOLD),
    ("expected node content", "a value is missing before this", FILL),
    ("expected the node content", "a value is missing before this", FILL),
    ("expected <document start>", "the manifest has ended above", "start every key of it in the first column"),
    ("expected tag URI", "a text that starts with !", QUOTE),
    ("expected whitespace or line break", "a text that starts with !", QUOTE),
    ("undefined tag handle", "a text that starts with !", QUOTE),
    ("unknown directive", "a line that starts with %", QUOTE),
    ("incompatible YAML", "a version of YAML that cannot be read", "remove the line"),
)  # fmt: skip
"""Signs of a complaint, what it means, what to write."""

AFTER_QUOTE = (
    "text after the end of a quote",
    "put the whole text in quotes; use double quotes around text that has a '",
)
"""What does not line up in the middle of a line."""

MISPLACED = (
    "this key does not line up with what is above, or a `:` above has no space after it",
    "start the keys of a block in one column, and write `key: value`",
)
"""What a `:` too many means on a line that starts like a key."""

UNCLOSED = {
    "expected ',' or ']'": ("a list [ that is never closed", "close it with ], or put the text in quotes"),
    "expected ',' or '}'": ("a block { that is never closed", "close it with }, or put the text in quotes"),
}
"""What the complaint means when the bracket was opened on an earlier line; the place is then the bracket's."""


def yaml_problem(error: Exception, text: str) -> tuple[int, str, str]:
    """Return the offset, the message and the hint of what the parser raised."""
    said = str(getattr(error, "problem", None) or error) if isinstance(error, yaml.YAMLError) else str(error)
    found, begun = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    sign, message, hint = next(
        (row for row in WORDS if row[0] in said),
        ("", (said.strip().splitlines() or [type(error).__name__])[0], "check the lines around it"),
    )
    mark = found or begun
    line = text[text.rfind("\n", 0, found.index) + 1 : found.index] if found else ""
    if found and begun and sign in UNCLOSED and begun.line < found.line:
        mark, (message, hint) = begun, UNCLOSED[sign]
    elif begun and ("opened here" in message or sign == "could not find expected ':'"):
        mark = begun
    elif hint is LINE_UP and line.strip():
        message, hint = AFTER_QUOTE
    elif message is WORDS[0][1] and KEY.match(line):
        message, hint = MISPLACED
    return min(mark.index, len(text)) if mark else 0, f"not YAML here: {message}", hint

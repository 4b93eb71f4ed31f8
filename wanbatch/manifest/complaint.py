"""What libyaml complains of, in words for people who do not know YAML's grammar.

Text in, text out; a complaint that is not in the table is passed on as it is.
"""

import re
from typing import Any

import yaml

from wanbatch.manifest import foreign

KEY = re.compile(r"[ \t]+[\w-]+\Z")
"""The text before a `:` that starts its line: a key, and not a part of a sentence."""
IMPORT = "wanbatch import makes a manifest of it"
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
    ("did not find expected '!'", "a line that starts with %", QUOTE),
    ("directive name", "a line that starts with %", QUOTE),
    ("non-alphabetical character", "a line that starts with %", QUOTE),
    ("unknown directive", "a line that starts with %", QUOTE),
    ("incompatible YAML", "a version of YAML that cannot be read", "remove the line"),
)  # fmt: skip
"""Signs of a complaint, what it means, what to write."""

UNEVEN = tuple(sign for sign, _, hint in WORDS if hint is LINE_UP)

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

BARE = ("`${` in an unquoted text between brackets, which YAML takes for a bracket of its own", QUOTE)
"""A variable in a flow mapping or list, and what is to be said of it."""

UNCLOSED = {
    "expected ',' or ']'": ("a list [ that is never closed", "close it with ], or put the text in quotes"),
    "expected ',' or '}'": ("a block { that is never closed", "close it with }, or put the text in quotes"),
}
"""What the complaint means when the bracket was opened on an earlier line; the place is then the bracket's."""


MERGE = re.compile(r"^<{7}(?: .*)?$", re.MULTILINE)
PROMPT_FILE = re.compile(r"@([\w./-]+\.(?:txt|md))[ \t]*$", re.MULTILINE)
"""What tools that take `@file` for a file's text have after the key."""
LAST_KEY = re.compile(r"(?:- +)*[\w-]+:[ \t]*[\"']\Z")
"""How the last line of a quoted text looks that ends where the next one was to begin."""


TEXT_KEY = re.compile(
    r"[ \t]*(?:- +)*[\"']?(?:prompt|intro|negative_prompt|framing|title|prefix|suffix)[\"']?[ \t]*:[ \t]*\Z"
)
OUTSIDE = re.compile(
    r"[^\n]*\n(?:[ \t\r]*\n)*[ \t]*(?![\"']?[\w.-]+[\"']?[ \t]*[:：](?:\s|\Z))(?![-.])([^\s#<}\],&*?])"
)
"""A `|` or `>`, no text below it, and then a line that is neither a key nor an entry of a list."""


def left_out(text: str, start: int) -> tuple[int, int, str, str] | None:
    """Return what is wrong with an empty text whose `|` or `>` is at `start`: its lines are no deeper than its key.

    Where from, where to, message, hint; None where the text was left empty.
    """
    line = OUTSIDE.match(text, start)
    if line is None or not TEXT_KEY.match(text[text.rfind("\n", 0, start) + 1 : start]):
        return None
    hint = f"indent each of its lines two spaces deeper than the key with the {text[start]}"
    return line.start(1), line.end(1), f"not YAML here: the text below `{text[start]}` is not indented", hint


def before(text: str, at: int) -> Any:
    """Return the last token of YAML's that ends before a place; None without one."""
    last = None
    try:
        for token in yaml.scan(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if token.end_mark.index > at:
                break
            last = token
    except (yaml.YAMLError, ValueError):
        pass
    return last


def sighted(text: str, sign: str, start: int, at: int) -> tuple[int, str, str] | None:
    """Return what the text itself shows at a complaint, whatever YAML says of it: offset, message, hint."""
    if (merge := MERGE.search(text, 0, at + 80)) and merge.start() <= at:
        hint = "keep the lines of one side, or of both where they are different scenes, and remove the marks"
        return merge.start(), "a merge has left its marks here", hint
    if sign == "cannot start any token" and text[at : at + 1] == "\t":
        return at, "not YAML here: a tab", SPACES
    if sign == "cannot start any token" and (named := PROMPT_FILE.match(text, at)):
        hint = f"a text from a file is `prompt_file: {named[1]}`; or put the whole text in quotes"
        return at, "not YAML here: a text that starts with @", hint
    odd = foreign.odd_near(text, start, at)
    if odd is None and (sign == WORDS[0][0] or sign in UNEVEN):
        odd = foreign.stuck_near(text, at)
    return (odd.start, f"not YAML here: {odd.message}", odd.hint) if odd else None


def after_quote(text: str, at: int) -> tuple[int, str, str]:
    """Return what it is that ends in the middle of a line: offset, message, hint."""
    last = before(text, at)
    if isinstance(last, (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken)):
        return at, f"text after a closing {text[last.start_mark.index]}", QUOTE
    if not isinstance(last, yaml.ScalarToken) or last.style not in ("'", '"'):
        return at, *AFTER_QUOTE
    start, end = last.start_mark.index, last.end_mark.index
    if "\n" in text[start:end] and LAST_KEY.match(text[text.rfind("\n", 0, end) + 1 : end].lstrip()):
        return start, "a quote that is opened here and closed only lines below", "close the quote in its line"
    if last.style == '"':
        return at, AFTER_QUOTE[0], 'write \\" for a quote inside; or put the whole text in single quotes'
    return at, *AFTER_QUOTE


def yaml_problem(error: Exception, text: str) -> tuple[int, str, str]:
    """Return the offset, the message and the hint of what the parser raised."""
    if text.lstrip().startswith("curl "):
        return 0, "this is a curl command, not a manifest", IMPORT
    said = str(getattr(error, "problem", None) or error) if isinstance(error, yaml.YAMLError) else str(error)
    found, begun = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    sign, message, hint = next(
        (row for row in WORDS if row[0] in said),
        ("", (said.strip().splitlines() or [type(error).__name__])[0], "check the lines around it"),
    )
    mark = found or begun
    at = min(mark.index, len(text)) if mark else 0
    if found and text.lstrip().startswith("{") and "<document start>" in said:
        return found.index, "a second object starts here: one JSON object a line is no manifest", IMPORT
    if mark and (seen := sighted(text, sign, min(begun.index, at) if begun else at, at)):
        return seen
    line = text[text.rfind("\n", 0, found.index) + 1 : found.index] if found else ""
    if found and text[found.index - 1 : found.index + 1] == "${":
        return found.index - 1, f"not YAML here: {BARE[0]}", BARE[1]
    if found and begun and sign in UNCLOSED and begun.line < found.line:
        mark, (message, hint) = begun, UNCLOSED[sign]
    elif begun and ("opened here" in message or message.endswith("%") or sign == "could not find expected ':'"):
        mark = begun
    elif hint is LINE_UP and line.strip():
        at, message, hint = after_quote(text, at)
        return at, f"not YAML here: {message}", hint
    elif message is WORDS[0][1] and KEY.match(line):
        message, hint = MISPLACED
    return min(mark.index, len(text)) if mark else 0, f"not YAML here: {message}", hint

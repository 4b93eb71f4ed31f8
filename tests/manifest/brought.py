"""What is imported in tests, and what is said of it."""

import csv
import io

from support import manifest

from wanbatch.manifest.importing import Imported, imported
from wanbatch.manifest.importing_source import Source
from wanbatch.manifest.model import Scene

OTHERWISE = {"resolution": "720P", "ratio": "16:9", "duration": 5}
"""What holds for scenes that do not say."""


def made_of(text: str, form: str = "text", file: str = "prompts.txt", **chosen: str) -> Imported:
    """What a text of some format becomes."""
    return imported(Source.of(file, text), form, chosen, "film", OTHERWISE)


def prompts_of(made: Imported) -> list[str]:
    """The prompts that the manifest sends; fails with the problems."""
    assert made.problems == ()
    return [job.request.prompt for job in manifest(made.text).wanted]


def scenes_of(made: Imported) -> tuple[Scene, ...]:
    """The manifest's scenes; fails with the problems."""
    assert made.problems == ()
    return manifest(made.text).scenes


def told(made: Imported) -> list[str]:
    """Each problem as place, code and message."""
    return [f"{one.where.line}:{one.where.column} {one.code} {one.message}" for one in made.problems]


def marked(made: Imported) -> list[str]:
    """The characters that each problem marks."""
    return [one.where.source[one.where.column - 1 :][: one.where.width] for one in made.problems]


def table(rows: list, **manner) -> str:
    """Rows as the standard library writes them."""
    stream = io.StringIO(newline="")
    csv.writer(stream, **manner).writerows(rows)
    return stream.getvalue()

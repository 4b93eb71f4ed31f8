"""`wanbatch explain`: what a code means, with a manifest that gives it and one that does not."""

import sys
import textwrap
from collections.abc import Iterator, Sequence

import click

from wanbatch.cli.terminal import columns
from wanbatch.manifest.diagnostics import Example, Page, named, near, pages
from wanbatch.views.text import table

WIDEST = 100
"""Running text is no wider than this."""


@click.command("explain")
@click.argument("code", required=False)
def command(code: str | None) -> None:
    """Say what CODE means and why it matters, with a wrong example and a right one.

    Without CODE, list all codes.
    """
    room = min(columns(sys.stdout), WIDEST)
    if code is None:
        click.echo(table([(page.code, page.title) for page in pages().values()], room))
        return
    page = named(code)
    if page is None:
        meant = near(code)
        rest = f"; did you mean {meant}?" if meant else "; `wanbatch explain` lists them all"
        raise click.UsageError(f"no such code: {code}{rest}")
    click.echo("\n".join(lines(page, room)))


def lines(page: Page, room: int) -> Iterator[str]:
    """Yield a page as lines of at most `room` columns; examples stay as they are."""
    yield f"{page.code}: {page.title}"
    yield from paragraph(page.why, room)
    if page.command:
        yield from ("", f"Seen with: {page.command}")
    for heading, examples in (("Wrong:", page.wrong), ("Right:", page.right)):
        yield from shown(heading, examples)
    yield from paragraph(page.notes, room)


def paragraph(text: str, room: int) -> Iterator[str]:
    """Yield running text after an empty line; nothing for no text."""
    if text:
        yield from ("", *textwrap.wrap(text, room, break_on_hyphens=False))


def shown(heading: str, examples: Sequence[Example]) -> Iterator[str]:
    """Yield the files of an example, indented, each with its name where there are several."""
    if examples:
        yield from ("", heading)
    for example in examples:
        yield from ("", f"  {example.file}") if len(examples) > 1 else ("",)
        yield from (f"    {line}".rstrip() for line in example.text.splitlines())

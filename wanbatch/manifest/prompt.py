"""A scene's intro and shots as one prompt, in the wording of the API's own documentation.

Pure text: knows no limits, no YAML and no request.
"""

from collections.abc import Callable, Iterator

from wanbatch.manifest.model import Scene, Shot

Mark = Callable[[int, str, str, str | None], str]


def one_line(text: str) -> str:
    """Return `text` without surrounding white space and with line breaks, and the white space at them, as one space.

    All other characters stay as they are: a block scalar's breaks are the notation's, not the prompt's.
    """
    text = text.strip()
    if "\n" not in text:
        return text
    lines = (line.strip() for line in text.split("\n"))
    return " ".join(line for line in lines if line)


def seconds(value: float) -> str:
    """Return a time in seconds as the documentation writes it: `3`, `2.5`."""
    return f"{value:g}"


def english_mark(number: int, start: str, end: str, framing: str | None) -> str:
    """`Shot 1 [0–3 seconds] wide shot:` with an en dash, as in the documented curl example (Wan 2.7 create task)."""
    return f"Shot {number} [{start}–{end} seconds]{f' {framing}' if framing else ''}:"


def chinese_mark(number: int, start: str, end: str, framing: str | None) -> str:
    """`第1个镜头[0-3秒] 全景：`, ASCII brackets and hyphen, full-width colon (文生视频 guide)."""
    return f"第{number}个镜头[{start}-{end}秒]{f' {framing}：' if framing else ''}"


MARKS: dict[str, tuple[Mark, str]] = {"en": (english_mark, " "), "zh": (chinese_mark, "")}
"""Per language: how a shot is announced, and what stands between a mark with framing and its text."""


def shot_texts(shots: tuple[Shot, ...], language: str) -> Iterator[str]:
    """Yield each shot as a part of the prompt; the times are running ranges from 0."""
    mark, glue = MARKS[language]
    start = 0.0
    for number, shot in enumerate(shots, 1):
        end = start + shot.seconds
        framing = one_line(shot.framing) if shot.framing else None
        head = mark(number, seconds(start), seconds(end), framing)
        yield head + (glue if framing else " ") + one_line(shot.prompt)
        start = end


def render(scene: Scene) -> str:
    """Return the scene's prompt: the plain one, or intro and shots, with its style around; single spaces between."""
    if scene.prompt is not None:
        parts = [one_line(scene.prompt)]
    else:
        parts = [one_line(scene.intro)] if scene.intro else []
        parts += shot_texts(scene.shots, scene.language)
    before, after = (one_line(text) for text in (scene.prefix or "", scene.suffix or ""))
    return " ".join(filter(None, (before, *parts, after)))

"""A bar on a terminal, a line per change of state elsewhere, nothing when it is to be quiet."""

import fcntl
import io
import os
import pty
import re
import struct
import termios
from dataclasses import fields

import pytest
from support import board_with, planned, wanted

from wanbatch.jobs import state
from wanbatch.jobs.board import Board
from wanbatch.views.progress import Progress, spoken

STORY = [
    state.SubmitIntended(),
    state.SubmitAccepted("t-1"),
    state.TaskSucceeded(2e9),
    state.VideoSaved("videos/alley.mp4", 1, "0" * 64),
]


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


class Gone(io.StringIO):
    """A terminal whose connection was cut."""

    def write(self, _text):
        raise OSError(5, "Input/output error")


def tell(progress, *events, id="alley"):
    """Let a job go through events, and show them."""
    with progress:
        show(progress, *events, id=id)


def show(progress, *events, id="alley"):
    one, board = wanted(id), Board()
    board.apply(one.key, planned(one), 0)
    for event in events:
        progress.told(board.apply(one.key, event, 1), event)


def test_elsewhere_each_change_is_a_line_with_its_time():
    stream = io.StringIO()
    tell(Progress(1, stream=stream), *STORY)
    assert re.sub(r"^\d\d:\d\d:\d\d ", "", stream.getvalue(), flags=re.MULTILINE).splitlines() == [
        "alley: submitted, task t-1", "alley: made", "alley: saved videos/alley.mp4",
    ]  # fmt: skip
    assert re.fullmatch(r"(\d\d:\d\d:\d\d .*\n){3}", stream.getvalue())


@pytest.mark.parametrize("stream", [io.StringIO(), Screen()], ids=["elsewhere", "terminal"])
def test_quiet_is_quiet(stream):
    tell(Progress(1, quiet=True, stream=stream), *STORY)
    assert stream.getvalue() == ""


def test_on_a_terminal_there_is_one_bar_that_says_who_works():
    screen = Screen()
    tell(Progress(1, stream=screen), *STORY)
    assert "0/1 videos |" in screen.getvalue()
    assert "1 with the service" in screen.getvalue()
    assert screen.getvalue().rstrip().split("\r")[-1].startswith("1/1 videos |")
    assert "submitted, task" not in screen.getvalue()


def test_on_a_terminal_trouble_is_written_above_the_bar():
    screen = Screen()
    tell(Progress(1, stream=screen), STORY[0], state.SubmitRefused("Bad", "no \x1b[31m good"))
    assert r"alley: refused: Bad: no \x1b[31m good" in screen.getvalue()


def test_a_run_that_brings_no_video_has_no_bar():
    screen = Screen()
    tell(Progress(0, stream=screen))
    assert screen.getvalue() == ""


def test_no_color_is_used_so_none_needs_to_be_switched_off(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE"):
        monkeypatch.setenv(name, "1")
        stream, screen = io.StringIO(), Screen()
        tell(Progress(1, stream=stream), *STORY)
        tell(Progress(1, stream=screen), *STORY)
        assert "\x1b" not in stream.getvalue()
        assert not re.search(r"\x1b\[[\d;]*m", screen.getvalue())


def test_a_reader_that_went_away_does_not_stop_the_run():
    tell(Progress(1, stream=Gone()), *STORY)


def test_a_terminal_that_went_away_does_not_stop_the_run():
    screen = Screen()
    with Progress(1, stream=screen) as progress:
        screen.write = Gone().write
        show(progress, *STORY)
        progress.tick()


def test_on_a_real_terminal_the_bar_fits_the_width():
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    with os.fdopen(slave, "w", encoding="utf-8") as stream:
        progress = Progress(1, stream=stream)
        with progress:
            show(progress, *STORY)
            progress.tick()
    drawn = os.read(master, 65_536).decode().replace("\n", "\r").split("\r")
    os.close(master)
    assert max(map(len, drawn)) <= 60
    assert max(map(len, drawn)) > 50


@pytest.mark.parametrize("kind", state.Event.__args__)
def test_every_event_is_either_said_or_no_news(kind):
    event = kind(**{one.name: {} if one.name in ("usage", "times", "outline") else 1 for one in fields(kind)})
    words = spoken(event)
    assert words is None or (words and "{" not in words)


def test_what_goes_again_says_so():
    assert spoken(state.TaskFailed("InternalError", "oops", 5.0)) == "failed: InternalError: oops; goes again"
    assert spoken(state.TaskFailed("InternalError", "oops")) == "failed: InternalError: oops"
    assert board_with((wanted(), STORY[:1])).open_tasks == 1

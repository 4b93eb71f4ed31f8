"""First steps as they look: each .txt here holds commands, files and what is shown, and is a test.

`=== name` begins a file, which ends at the next `===` or `$`. A line `$ command` is followed by what stdout and
stderr show together, and by `[code]` unless that is 0. Lines with ## in front are for readers. WANBATCH_ACCEPT=1
writes down what is shown now. Times, task ids and spans vary, so they are shown as words; lines that begin with a
time come in any order.
"""

import os
import re
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest

SCRIPTS = sorted(Path(__file__).parent.glob("*.txt"))
VARYING = (
    (re.compile(r"^\d\d:\d\d:\d\d ", re.MULTILINE), "TIME "),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "TASK"),
    (re.compile(r" +(\d+ (d|h|min|s) ?)+ago\b"), "  SPAN ago"),
)


def told(command, folder, env):
    """What a command shows, with what varies as words."""
    ended = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, check=False, timeout=60,
    )  # fmt: skip
    text = ended.stdout.decode()
    for pattern, word in VARYING:
        text = pattern.sub(word, text)
    lines = []
    for timed, group in groupby(text.splitlines(), lambda line: line.startswith("TIME ")):
        found = list(group)
        lines += sorted(found) if timed else found
    return "".join(f"{line}\n" for line in lines) + (f"[{ended.returncode}]\n" if ended.returncode else "")


def played(script, folder):
    """The script as it is shown now."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("DASHSCOPE_")}
    env |= {"PATH": f"{Path(sys.executable).parent}:{env['PATH']}", "LC_ALL": "C.UTF-8"}
    shown, file = [], None
    for line in script.splitlines(keepends=True):
        if line.startswith("$ "):
            file = None
            shown += [line, told(line[2:], folder, env)]
        elif line.startswith("=== "):
            file = folder / line[4:].strip()
            file.write_text("", "utf-8")
            shown.append(line)
        elif file is not None:
            file.write_text(file.read_text("utf-8") + line, "utf-8")
            shown.append(line)
        elif line.startswith("## "):
            shown.append(line)
    return "".join(shown)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_the_first_steps_look_as_written(path, tmp_path):
    script = path.read_text("utf-8")
    now = played(script, tmp_path)
    if os.environ.get("WANBATCH_ACCEPT"):
        path.write_text(now, "utf-8")
    assert now == script


def test_there_are_scripts():
    assert len(SCRIPTS) >= 3

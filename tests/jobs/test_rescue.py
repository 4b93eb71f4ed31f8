"""The last resort for a task id that the journal could not take: on disk, and only its owner's."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from wanbatch.jobs.rescue import NAMED, rescue

LINE = b'{"seq":7,"task_id":"t1"}\n'
ROOT = Path(__file__).parents[2]


@pytest.fixture
def there(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_rescue_file_holds_the_line_and_is_its_owners_alone(there):
    path = rescue(LINE, there / "film" / "journal.jsonl")
    assert path.read_bytes() == LINE
    assert path.parent == there
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_rescue_file_says_in_its_name_which_output_folder_it_is_of(there, monkeypatch):
    assert rescue(LINE, there / "film" / "journal.jsonl").match("wanbatch-rescue-film-????????.jsonl")
    monkeypatch.chdir(there)
    assert rescue(LINE, Path("journal.jsonl")).name.startswith(f"wanbatch-rescue-{there.name[:NAMED]}-")
    long = there / ("x" * 200) / "journal.jsonl"
    assert rescue(LINE, long).name.startswith(f"wanbatch-rescue-{'x' * 40}-")


def test_two_rescued_lines_are_two_files(there):
    journal = there / "film" / "journal.jsonl"
    assert rescue(LINE, journal) != rescue(b"another\n", journal)
    assert sorted(path.read_bytes() for path in there.iterdir()) == sorted([LINE, b"another\n"])


def test_a_line_that_could_not_be_written_leaves_no_file(there):
    """A file that looks like a rescue and holds nothing would be believed."""
    code = (
        "import resource, sys, signal; from pathlib import Path; from wanbatch.jobs.rescue import rescue\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3, resource.RLIM_INFINITY))\n"
        f"sys.exit(7 if rescue({LINE!r}, Path('film/journal.jsonl')) is None else 0)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(there), "PYTHONDONTWRITEBYTECODE": "1"}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 7
    assert list(there.iterdir()) == []


def test_a_rescued_line_is_on_the_disk_before_its_path_is_named(there):
    """All its bytes first, then the sync: what a power cut takes would be paid for and known to nobody."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    code = (
        "from pathlib import Path; from wanbatch.jobs.rescue import rescue; "
        f"rescue({LINE!r}, Path('film/journal.jsonl'))"
    )
    asked = ["strace", "-y", "-e", "trace=write,fsync,fdatasync", sys.executable, "-c", code]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(there), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(asked, env=environment, cwd=there, capture_output=True, text=True, check=False)
    if "ptrace" in done.stderr:
        pytest.skip("strace may not trace here")
    calls = [line.partition("(")[0] for line in done.stderr.splitlines() if "wanbatch-rescue-film-" in line]
    assert calls[0] == "write"
    assert calls[-1] in {"fsync", "fdatasync"}

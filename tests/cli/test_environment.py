"""cron, pipes, closed streams, odd locales: the program is at home nowhere and works everywhere."""

import json
import os
import subprocess
import sys

import pytest
from cli.stage import FAST, PROGRAM, QUICK, service, wanbatch
from support import write_manifest

BARE = {"PATH": "/usr/bin:/bin"}


def shell(command, **options):
    """A shell's exit code and output of the program, which is $W."""
    environment = {**os.environ, "W": PROGRAM, **options.pop("env", {})}
    return subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, check=False, env=environment, encoding="utf-8", **options
    )


def test_a_run_from_cron_needs_no_home_no_terminal_no_locale_and_no_folder_of_its_own(in_tmp):
    path = write_manifest(in_tmp, "alley")
    path.write_text(path.read_text("utf-8").replace("a alley in the rain", "雨中的巷子"), "utf-8")
    with service(QUICK) as sim:
        command = ["run", path, "--yes", "--base-url", sim.base_url, "--out", in_tmp / "o", *FAST]
        ended = wanbatch(*command, env=BARE | {"LANG": "C", "DASHSCOPE_API_KEY": "sk-cron"}, cwd="/")
        assert list(sim.stats()["accepted_by_prompt"]) == ["雨中的巷子"]
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == f"{in_tmp}/o/videos/alley.mp4\n"
    assert "雨中的巷子" in (in_tmp / "o/videos/alley.json").read_text("utf-8")


@pytest.mark.parametrize("stream", [">&-", ">/dev/full"], ids=["closed", "full"])
@pytest.mark.parametrize("verb", ["plan", "render", "run --simulate --quiet"])
def test_a_stdout_that_takes_nothing_is_a_failure_in_one_line(verb, stream, in_tmp):
    write_manifest(in_tmp)
    ended = shell(f'"$W" {verb} film.yaml {stream}')
    assert ended.returncode == 9
    assert ended.stderr.startswith("wanbatch: cannot write the output: ")
    assert ended.stderr.count("\n") == 1


def test_what_was_made_before_stdout_failed_is_not_made_again(in_tmp):
    write_manifest(in_tmp)
    assert shell('"$W" run film.yaml --simulate >/dev/full').returncode == 9
    ended = wanbatch("run", "film.yaml", "--simulate")
    assert (ended.returncode, ended.stdout) == (0, "")


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-"])
def test_a_closed_stdin_or_stderr_hinders_nobody(closed, in_tmp):
    write_manifest(in_tmp)
    ended = shell(f'"$W" run film.yaml --simulate {closed}')
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "out/simulated/film/videos/alley.mp4\n"
    first = (in_tmp / "out/simulated/film/journal.jsonl").read_bytes().split(b"\n")[0]
    assert first.startswith(b'{"seq":0,')


def test_a_closed_stdin_is_nobody_to_ask(in_tmp):
    write_manifest(in_tmp)
    assert shell('"$W" run film.yaml <&-').returncode == 7


def test_a_locale_without_chinese_shows_escapes_and_stops_nothing(in_tmp):
    path = write_manifest(in_tmp)
    path.write_text(path.read_text("utf-8").replace("a alley in the rain", "雨中的巷子"), "utf-8")
    western = {"PYTHONIOENCODING": "latin-1"}
    assert r"\u96e8" in shell('"$W" render film.yaml', env=western).stdout
    body = json.loads(shell('"$W" render film.yaml --json', env=western).stdout)[0]["body"]
    assert body["input"]["prompt"] == "雨中的巷子"
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    assert shell('"$W" render film.yaml', env=plain).returncode == 0


def test_a_hostile_working_folder_is_not_imported_from(in_tmp):
    write_manifest(in_tmp)
    (in_tmp / "yaml.py").write_text("raise SystemExit('imported')")
    assert wanbatch("validate", "film.yaml").returncode == 0


@pytest.mark.parametrize("flags", ["-O", "-W error", "-X dev"])
def test_pythons_own_switches_change_nothing(flags, in_tmp):
    write_manifest(in_tmp)
    ended = shell(f'"{sys.executable}" {flags} "$W" run film.yaml --simulate --quiet')
    # Development mode tells of a callback that took long, as a busy machine makes them.
    said = [line for line in ended.stderr.splitlines() if not line.startswith("Executing <")]
    assert (ended.returncode, said) == (0, [])

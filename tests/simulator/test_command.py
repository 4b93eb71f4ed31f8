"""`wanbatch simulate --faults`: a plan from a file, rehearsed by the program itself; what is said of a wrong one."""

import json
import urllib.error
import urllib.request

import pytest
from cli.stage import FAST, simulate, wait_until, wanbatch
from simulator.asking import body, headers
from simulator.loopback import CREATE
from support import write_manifest

from wanbatch.cli.simulate_ import MAX_PLAN_BYTES, read_plan
from wanbatch.errors import Exit, WanbatchError

PLAN = """
# a bad minute
- {endpoint: create, kind: throttle, nth: 1, retry_after: "0"}
- endpoint: query
  kind: unknown
  times: 1
- {endpoint: video, kind: cut, nth: 1}
"""


def read_stats(base_url):
    with urllib.request.urlopen(base_url.removesuffix("/api/v1") + "/_stats", timeout=10) as reply:
        return json.load(reply)


def create(base_url, key):
    """The HTTP status of a submission."""
    try:
        asked = urllib.request.Request(base_url + CREATE, body(), headers(key))
        with urllib.request.urlopen(asked, timeout=10) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_a_run_against_a_plan_is_rehearsed_and_counted(tmp_path):
    plan = tmp_path / "plan.yaml"
    plan.write_text(PLAN, "utf-8")
    with simulate("--render-s", "0", "--faults", plan) as base_url:
        manifest = write_manifest(tmp_path)
        ended = wanbatch("run", manifest, "--yes", "--base-url", base_url, "--out", tmp_path / "o", *FAST)
        stats = read_stats(base_url)
    assert ended.returncode == 0, ended.stderr
    assert stats["faults"] == {"create": {"throttle": 1}, "query": {"unknown": 1}, "video": {"cut": 1}}
    assert [len(ids) for ids in stats["accepted_by_body"].values()] == [1]
    assert stats["elsewhere"] == 0


def test_a_wrong_plan_ends_with_2_before_anything_is_served(tmp_path):
    plan = tmp_path / "plan.yaml"
    plan.write_text("- {endpoint: query, kind: reset}\n- {endpoint: list, kind: forbidden}\n", "utf-8")
    ended = wanbatch("simulate", "--faults", plan)
    assert (ended.returncode, ended.stdout) == (2, "")
    sentence = f"wanbatch: cannot use the faults in {plan}: fault 2: unknown kind 'forbidden' for list; known: "
    assert ended.stderr.startswith(sentence)
    assert ended.stderr.endswith("\n  a rule is, for example: {endpoint: create, kind: reset_after_accept, nth: 1}\n")


def test_a_plan_that_is_not_there_is_a_wrong_command_line(tmp_path):
    ended = wanbatch("simulate", "--faults", tmp_path / "none.yaml")
    assert ended.returncode == 2
    assert "none.yaml" in ended.stderr


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"", "must be a list of rules, at least one"),
        (b"[]", "must be a list of rules, at least one"),
        (b"endpoint: query", "must be a list of rules, at least one"),
        (b"- {endpoint: query", "no YAML: expected ',' or '}', but got '<stream end>', line 1, column 19"),
        (b"- !!python/name:os.system ''", "no YAML: could not determine a constructor for the tag"),
        (b"- \xff\xfe", "no YAML: not text in UTF-8"),
        (b"- reset", "fault 1: must be a mapping, not 'reset'"),
        (b"- {endpoint: query, kind: reset, wen: 1}", "fault 1: unknown field 'wen'; known: endpoint, kind, nth"),
        (
            b"- {endpoint: query, kind: throttle, retry_after: 30}",
            "fault 1: retry_after must be a text, not 30",
        ),
        (b"- {endpoint: video, kind: slow, seconds: .inf}", "fault 1: seconds must be a number above 0"),
        (b"[" * 5000, "nested too deep"),
        (b"#" * (MAX_PLAN_BYTES + 1), "longer than 1,048,576 bytes"),
    ],
    ids=lambda value: repr(value[:30]),
)
def test_what_is_wrong_with_a_plan_is_said_in_a_sentence(tmp_path, raw, sentence):
    plan = tmp_path / "plan.yaml"
    plan.write_bytes(raw)
    with pytest.raises(WanbatchError) as caught:
        read_plan(plan)
    assert caught.value.message.startswith(f"cannot use the faults in {plan}: {sentence}")
    assert caught.value.exit_code == Exit.USAGE
    assert "\n" not in caught.value.message


def test_a_plan_that_cannot_be_read_is_said(tmp_path):
    with pytest.raises(WanbatchError, match="cannot be read: Is a directory") as caught:
        read_plan(tmp_path)
    assert caught.value.exit_code == Exit.USAGE


def test_the_command_keeps_the_bill_and_tells_accounts_apart_by_their_key(tmp_path):
    options = ("--render-s", "0", "--prices", "USD", "--separate-accounts", "--arrears-after", "1")
    with simulate(*options) as base_url:
        told = [create(base_url, key) for key in ("sk-a", "sk-a", "sk-b")]
        stats = wait_until(lambda: (found := read_stats(base_url))["bill"] == {"USD": "1.50"} and found, "the bill")
    assert told == [200, 400, 200]
    assert sorted(stats["bill_by_key"].values(), key=str) == [{"USD": "0.75"}] * 2
    assert stats["refused"] == {"Arrearage": 1}


@pytest.mark.parametrize("option", ["--free-seconds", "--render-s"])
def test_a_number_that_is_none_ends_with_2(option):
    ended = wanbatch("simulate", option, "nan")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert f"{option[2:].replace('-', '_')} must be 0 or more" in ended.stderr
    assert "Traceback" not in ended.stderr

"""Hostile manifests and hostile answers: no traceback, no manifest over two seconds, no process over 300 MB.

    python campaigns/fuzz.py [--runs 100000] [--jobs 2] [--seed 1]

Each case is a known text with some of its pieces cut out, doubled, swapped, or replaced by something nasty. The
seed and the number of a case make it again: `--only NUMBER`.
"""

import argparse
import json
import random
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from fnmatch import fnmatch
from pathlib import Path

from wanbatch.errors import ManifestInvalid, WanbatchError
from wanbatch.manifest.assemble import Reading
from wanbatch.manifest.check import load
from wanbatch.service import wire
from wanbatch.views.problems import show
from wanbatch.views.text import printable

ROOT = Path(__file__).parents[1]
MANIFESTS = [path.read_text("utf-8") for path in sorted((ROOT / "manifests").glob("*.yaml"))]
BESIDE = {path.relative_to(ROOT / "manifests"): path.read_text("utf-8") for path in (ROOT / "manifests").glob("*/*.*")}
PICKS = "wanbatch_picks: 1\npicks: {adrift: 2}\ntakes: {adrift: 4, 'bell[ratio=16:9,weather=fog]': 2}\n"
SETTINGS = [
    "defaults.resolution=1080P", "vars.boat=a ${colour} raft", "scenes.adrift.seed=8", "scenes.adrift.takes=100",
    "run.concurrency=3", "profiles.draft.ratio=1:1", "name=x", "scenes.leaving.shots.0.seconds=3",
]  # fmt: skip
NASTY = [
    "*a", "&a ", "<<: *a", "!!python/object:os.system ", "!x ", "\t", "\0", "\x1b[2J", "\u202e", "\ufeff", "'", '"',
    ": ", " #", "- ", "[", "]", "{", "}", "? ", "|", ">", "%YAML 9.9", "---\n", "...\n", "~", "null", ".nan", "1e999",
    "-", "9" * 400, "0x1F", "\\ud800", "\\x00", "[" * 200, "{a: " * 50, "&a [*a, *a]", "../../etc/passwd", "CON", "🎬",
    "${", "${boat}", "$${", "${env:HOME}", "${env:KEY}", "${boat", "vars:\n  boat: ${boat}${boat}${boat}\n", "matrix: ",
    "include: '*'\n", "include: harbour/night.yaml\n", "  - include: '**/*'\n", "prompt_file: x\n",
    "takes: 100\n", "a[b=c]", "exclude: [{}]", "[1, '1', true]",
    "第", "\r", "\r\n", "\x85", "\u2028", "true", "yes", "a" * 6000, "16:9", "duration: 99", "scenes:", "  - id: x\n",
]  # fmt: skip
REPLIES = [
    {"request_id": "r-1", "output": {"task_id": "0385dc79-5ff8-4d82-bcb6-000000000001", "task_status": "PENDING"}},
    {"request_id": "r-2", "output": {"task_id": "t-1", "task_status": "SUCCEEDED", "submit_time": "2025-09-29 14:18:52",
     "orig_prompt": "a cat", "video_url": "https://x.aliyuncs.com/a.mp4?Expires=1787578874&Signature=a%2Bb"},
     "usage": {"duration": 10.0, "SR": 720, "ratio": "16:9"}},
    {"request_id": "r-3", "output": {"task_id": "t-1", "task_status": "FAILED", "code": "InvalidParameter"}},
    {"code": "Throttling.RateQuota", "message": "slower", "request_id": "r-4"},
    {"error": {"code": "invalid_api_key", "message": "no", "type": "x"}, "request_id": "r-5"},
    {"total": 1, "data": [{"task_id": "t-9", "request_id": "r", "model_name": "wan2.7-t2v", "gmt_create": 1745568428109,
     "status": "RUNNING"}], "total_page": 1, "page_no": 1, "page_size": 10},
]  # fmt: skip
NASTY_JSON = [
    "null", "[]", "{}", "NaN", "-Infinity", "1e999", "9" * 500, '"\\ud800"', '"\\u0000\\u001b[2J"', "true", '""',
    "-1", '"../x"', '"' + "x" * 20_000 + '"', "[" * 2000, '{"a":' * 2000,
    '"SUCCEEDED"', '"UNKNOWN"', "0.5", '"\\u202e"', "\xff",
]  # fmt: skip
STATUSES = [200, 200, 200, 201, 204, 301, 307, 400, 401, 403, 404, 408, 409, 418, 429, 499, 500, 502, 503, 504]
HEADERS: list[dict[str, str]] = [
    {}, {"x-request-id": "h-1"}, {"retry-after": "-1"}, {"retry-after": "999999"}, {"retry-after": "nan"},
    {"x-request-id": "\udcff\x1b" * 50, "date": "Thu, 32 Foo 9999 99:99:99 GMT"}, {"date": "garbage"},
]  # fmt: skip
SLOW_S = 2.0
LARGE_MB = 300


def mangled(text: str, chance: random.Random, nasty: list[str]) -> str:
    """Return `text` with a few of its pieces spoiled."""
    for _ in range(chance.choice([1, 1, 1, 2, 3, 6])):
        start = chance.randrange(len(text) + 1)
        end = min(len(text), start + chance.choice([0, 1, 1, 3, 10, 60]))
        piece = chance.choice(["", text[start:end] * 2, chance.choice(nasty), chance.choice(nasty)])
        text = text[:start] + piece + text[end:]
    return text


class Memory:
    """Files that are nowhere, some of them spoiled."""

    def __init__(self, chance: random.Random) -> None:
        self.main = mangled(chance.choice(MANIFESTS), chance, NASTY)
        self.files = {Path("film.yaml"): self.main}
        for path, text in {**BESIDE, Path("film.picks.yaml"): PICKS}.items():
            self.files[path] = mangled(text, chance, NASTY) if chance.random() < 0.3 else text

    def read(self, path: Path, max_bytes: int) -> bytes:
        """Return a file's contents. Raises OSError."""
        if path not in self.files:
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return self.files[path].encode("utf-8", "surrogatepass")[: max_bytes + 1]

    def glob(self, folder: Path, pattern: str) -> list[Path]:
        """Return the files that a pattern names."""
        return sorted(path for path in self.files if fnmatch(str(path), str(folder / pattern)))

    def identity(self, path: Path) -> str:
        """Return the path."""
        return str(path)


def hostile_manifest(chance: random.Random) -> None:
    """Check one hostile manifest and print its problems. Raises what a user must never see."""
    files = Memory(chance)
    known = [one for one in SETTINGS if one.split(".")[0] != "scenes" or f"id: {one.split('.')[1]}" in files.main]
    settings = tuple(mangled(one, chance, NASTY) for one in chance.sample(known, chance.choice([0, 0, 0, 1, 2])))
    reading = Reading("draft" if "draft" in files.main and chance.random() < 0.3 else None, settings)
    started = time.perf_counter()
    try:
        problems = load(Path("film.yaml"), reading, environ={"HOME": "/home/x"}, files=files).warnings
    except ManifestInvalid as error:
        problems = error.problems
    except WanbatchError as error:
        printable(f"{error.message} {error.hint}").encode()
        return
    for problem in problems:
        show(problem).encode()
    took = time.perf_counter() - started
    if took > SLOW_S:
        raise TimeoutError(f"{took:.1f} s")


def hostile_reply(chance: random.Random) -> None:
    """Read one hostile answer in every way that the client does. Raises what a user must never see."""
    text = mangled(json.dumps(chance.choice(REPLIES)), chance, NASTY_JSON)
    body = text.encode("utf-8", "surrogatepass")
    status, headers = chance.choice(STATUSES), chance.choice(HEADERS)
    for seen in (
        wire.submit_outcome(status, headers, body),
        wire.task_view("t-1", status, headers, body),
        wire.list_page(status, headers, body),
        wire.read_failed(status, headers, body),
        wire.clock_of(headers),
    ):
        repr(seen).encode()


CASES = {"manifests": hostile_manifest, "answers": hostile_reply}


def part(kind: str, seed: int, first: int, last: int) -> tuple[list[str], float]:
    """Try some cases in this process; return what went wrong, and the process's largest size in MB."""
    wrong = []
    for number in range(first, last):
        try:
            CASES[kind](random.Random(seed * 1_000_003 + number))
        except Exception as error:  # noqa: BLE001 - any is a find
            wrong.append(f"{kind} {number}: {type(error).__name__}: {str(error)[:100]}")
    return wrong, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--runs", type=int, default=100_000)
    asked.add_argument("--jobs", type=int, default=2)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--only", type=int)
    args = asked.parse_args()
    if args.only is not None:
        for case in CASES.values():
            case(random.Random(args.seed * 1_000_003 + args.only))
        return 0
    print(f"seed {args.seed}")
    print("| hostile | cases | tracebacks or too slow | largest process |\n|---|---|---|---|")
    failed = 0
    for kind in CASES:
        step = max(1, args.runs // (args.jobs * 4))
        with ProcessPoolExecutor(args.jobs) as pool:
            tasks = [
                pool.submit(part, kind, args.seed, first, min(first + step, args.runs))
                for first in range(0, args.runs, step)
            ]
            parts = [task.result() for task in tasks]
        wrong = [line for lines, _ in parts for line in lines]
        size = max(size for _, size in parts)
        failed += len(wrong) + (size > LARGE_MB)
        print(f"| {kind} | {args.runs:,} | {len(wrong)} | {size:.0f} MB |", flush=True)
        for line in wrong[:20]:
            print(line, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

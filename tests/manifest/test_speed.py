"""How long a large manifest takes, in CPU time against something in the same process: no seconds of some machine."""

import subprocess
import sys
from pathlib import Path

import pytest

SCENE = """\
  - id: scene-{number:06}
    title: Scene {number}
    tags: [a, b]
    intro: A rainy night in a neon city, filmed in one go.
    shots:
      - {{framing: wide shot, seconds: 3, prompt: "a tiger walks slowly through the street as trains pass {number}"}}
      - {{framing: close-up, seconds: 2, prompt: "its eyes follow the lights of the train over the bridge"}}
"""
BOTH = """
import sys, time, yaml
from pathlib import Path
from wanbatch.jobs.board import Board
from wanbatch.jobs.plan import plan
from wanbatch.manifest.check import load
path = Path(sys.argv[1])
def planned():
    return plan(load(path).wanted, Board(), {}, 0.0, keep_changed=False, price=lambda request: None)
def loaded():
    return yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader)
def spent(work):
    start = time.process_time()
    work()
    return time.process_time() - start
rounds = [(spent(planned), spent(loaded)) for _ in range(3)]
print(*map(min, zip(*rounds)))
"""


@pytest.mark.slow
def test_parsing_checking_and_planning_take_no_longer_than_the_c_loader_alone(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    scenes = "".join(SCENE.format(number=number) for number in range(5_000))
    path.write_text(f"wanbatch: 1\ndefaults: {{resolution: 720P}}\nscenes:\n{scenes}", "utf-8")
    done = subprocess.run([sys.executable, "-c", BOTH, path], capture_output=True, text=True, check=True)
    ours, loader = map(float, done.stdout.split())
    assert ours < loader

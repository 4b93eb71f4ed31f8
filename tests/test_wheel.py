"""The wheel, built as it is published and run where nothing else is installed."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
REAL_ENV = {
    name: value for name, value in os.environ.items() if not name.startswith(("DASHSCOPE_", "COV_", "PYTHONPATH"))
}
"""As it was when the tests began: pip finds its index by it."""


def do(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=REAL_ENV, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    do(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_package_with_all_its_data_the_schemas_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "wanbatch").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    schemas = {f"wanbatch/schemas/{path.name}" for path in (ROOT / "schemas").glob("*.json")}
    assert {"wanbatch/service/catalog.toml", "wanbatch/manifest/diagnostics.toml", "wanbatch/py.typed"} <= package
    assert {name for name in names if ".dist-info/" not in name} == package | schemas
    assert not [name for name in names if name.startswith(("tests/", "out/")) or name.endswith(".pyc")]


@pytest.mark.slow
def test_the_wheel_runs_in_a_bare_environment(wheel, tmp_path):
    do(sys.executable, "-m", "venv", "bare", cwd=tmp_path)
    python = tmp_path / "bare" / "bin" / "python"
    do(python, "-m", "pip", "install", "--quiet", wheel, cwd=tmp_path)
    wanbatch = tmp_path / "bare" / "bin" / "wanbatch"
    do(wanbatch, "init", cwd=tmp_path)
    assert "valid, 2 scenes" in do(wanbatch, "validate", "manifest.yaml", cwd=tmp_path)
    assert '"$id"' in do(wanbatch, "schema", "--request", "wan2.7-t2v", cwd=tmp_path)
    assert "wrote manifest.schema.json" in do(wanbatch, "schema", "--install", "manifest.yaml", cwd=tmp_path)
    printed = do(wanbatch, "run", "manifest.yaml", "--simulate", "--yes", cwd=tmp_path)
    videos = [Path(line) for line in printed.splitlines()]
    assert sorted(video.name for video in videos) == ["harbour.mp4", "lighthouse.mp4"]
    assert all((tmp_path / video).stat().st_size > 10_000 for video in videos)

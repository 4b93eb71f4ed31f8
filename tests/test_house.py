"""The floors hold: imports go down, and the house stays small."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "wanbatch"

FLOORS: dict[str, int] = {
    "wanbatch": 0,
    "wanbatch.errors": 0,
    "wanbatch.manifest": 0,
    "wanbatch.manifest.model": 0,
    "wanbatch.manifest.expand": 0,
    "wanbatch.manifest.prompt": 0,
    "wanbatch.manifest.selection": 0,
    "wanbatch.manifest.variables": 0,
    "wanbatch.manifest.matrix": 0,
    "wanbatch.jobs": 0,
    "wanbatch.jobs.state": 0,
    "wanbatch.jobs.seen": 0,
    "wanbatch.jobs.lanes": 0,
    "wanbatch.jobs.board": 0,
    "wanbatch.jobs.reconcile": 0,
    "wanbatch.jobs.orphans": 0,
    "wanbatch.jobs.policy": 0,
    "wanbatch.jobs.choose": 0,
    "wanbatch.jobs.again": 0,
    "wanbatch.jobs.plan": 0,
    "wanbatch.jobs.shelf": 0,
    "wanbatch.money": 0,
    "wanbatch.money.amount": 0,
    "wanbatch.money.rows": 0,
    "wanbatch.money.store": 1,
    "wanbatch.money.ledger": 1,
    "wanbatch.money.standing": 0,
    "wanbatch.money.turns": 1,
    "wanbatch.money.till": 2,
    "wanbatch.clock": 2,
    "wanbatch.disk": 1,
    "wanbatch.manifest.complaint": 1,
    "wanbatch.manifest.document": 1,
    "wanbatch.manifest.places": 1,
    "wanbatch.manifest.files": 1,
    "wanbatch.manifest.settings": 1,
    "wanbatch.manifest.assemble": 1,
    "wanbatch.manifest.notes": 1,
    "wanbatch.manifest.texts": 1,
    "wanbatch.manifest.variants": 1,
    "wanbatch.manifest.warn": 1,
    "wanbatch.manifest.fit": 1,
    "wanbatch.manifest.foreign": 1,
    "wanbatch.manifest.values": 1,
    "wanbatch.manifest.diagnostics": 1,
    "wanbatch.manifest.strict": 1,
    "wanbatch.manifest.shape": 1,
    "wanbatch.manifest.check": 1,
    "wanbatch.manifest.picks": 1,
    "wanbatch.manifest.changes": 0,
    "wanbatch.manifest.revision": 1,
    "wanbatch.manifest.importing": 1,
    "wanbatch.manifest.importing_curl": 1,
    "wanbatch.manifest.importing_json": 1,
    "wanbatch.manifest.importing_markdown": 1,
    "wanbatch.manifest.importing_scenes": 1,
    "wanbatch.manifest.importing_shell": 1,
    "wanbatch.manifest.importing_source": 1,
    "wanbatch.manifest.importing_table": 1,
    "wanbatch.jobs.lock": 1,
    "wanbatch.jobs.locked": 0,
    "wanbatch.jobs.lockfile": 1,
    "wanbatch.jobs.verify": 1,
    "wanbatch.jobs.journal": 1,
    "wanbatch.jobs.rescue": 1,
    "wanbatch.jobs.repair": 1,
    "wanbatch.jobs.folder": 1,
    "wanbatch.service": 1,
    "wanbatch.service.catalog": 1,
    "wanbatch.service.account": 2,
    "wanbatch.service.config": 2,
    "wanbatch.service.accounts": 2,
    "wanbatch.service.wire": 2,
    "wanbatch.service.client": 2,
    "wanbatch.service.address": 2,
    "wanbatch.service.download": 2,
    "wanbatch.service.mp4": 2,
    "wanbatch.service.part": 2,
    "wanbatch.perform": 3,
    "wanbatch.engine": 3,
    "wanbatch.drive": 3,
    "wanbatch.run": 3,
    "wanbatch.lookup": 3,
    "wanbatch.views": 4,
    "wanbatch.views.text": 4,
    "wanbatch.views.problems": 4,
    "wanbatch.views.github": 4,
    "wanbatch.views.history": 4,
    "wanbatch.views.progress": 4,
    "wanbatch.views.events": 4,
    "wanbatch.views.results": 4,
}
"""Every room and its floor; `wanbatch.cli.*` is the door above all, `wanbatch.simulator.*` the garden apart."""

DOOR = 5
HEAVY = {
    "asyncio",
    "aiohttp",
    "yarl",
    "logging",
    "socket",
    "time",
    "datetime",
    "random",
    "pathlib",
    "os",
    "tqdm",
    "yaml",
}
"""What floor 0 does without: clocks, files, chance, the network."""


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = ("wanbatch", *path.relative_to(PACKAGE).with_suffix("").parts)
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


MODULES = modules()
HOUSE = {name: path for name, path in MODULES.items() if not name.startswith("wanbatch.simulator")}
GARDEN = {name: path for name, path in MODULES.items() if name.startswith("wanbatch.simulator")}


def imports_of(path: Path) -> set[str]:
    """Every module that a file imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names} & MODULES.keys()
    return found


def floor(name: str) -> int:
    return DOOR if name.startswith("wanbatch.cli") else FLOORS[name]


def inner(path: Path) -> set[str]:
    packages = {"wanbatch", "wanbatch.jobs", "wanbatch.service", "wanbatch.manifest", "wanbatch.money"}
    return imports_of(path) & HOUSE.keys() - packages


@pytest.mark.parametrize("name", HOUSE)
def test_imports_go_down(name):
    upward = {other for other in inner(HOUSE[name]) if floor(other) > floor(name)}
    assert not upward, f"{name} (floor {floor(name)}) imports {upward}"


@pytest.mark.parametrize("name", [name for name in HOUSE if not name.startswith("wanbatch.cli")])
def test_only_the_door_imports_the_garden(name):
    assert not {other for other in imports_of(HOUSE[name]) if other.startswith("wanbatch.simulator")}


@pytest.mark.parametrize("name", GARDEN)
def test_the_garden_imports_nothing_of_the_house(name):
    own = {other for other in imports_of(GARDEN[name]) if other.startswith("wanbatch")}
    assert {other for other in own if not other.startswith("wanbatch.simulator")} == set()


@pytest.mark.parametrize("name", [name for name in FLOORS if FLOORS[name] == 0])
def test_floor_0_is_pure(name):
    roots = {other.partition(".")[0] for other in imports_of(HOUSE[name])}
    assert not roots & HEAVY


def test_there_is_no_import_cycle():
    graph = {name: inner(path) - {name} for name, path in HOUSE.items()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " → ".join((*trail, name))
        if name not in done:
            for other in graph[name]:
                visit(other, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("name", MODULES)
def test_modules_and_functions_stay_small(name):
    text = MODULES[name].read_text("utf-8")
    assert text.count("\n") <= 400, "a module is at most 400 lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= 60, f"{node.name} has {length} lines; a function is at most 60"


NESTING = ast.If | ast.For | ast.While | ast.With | ast.Try | ast.AsyncFor | ast.AsyncWith | ast.Match


def depth(node: ast.AST, inside: int = 0) -> int:
    """How deep blocks are nested; an `elif` is no deeper than its `if`."""
    deepest = inside
    for name, value in ast.iter_fields(node):
        children = value if isinstance(value, list) else [value]
        for child in children:
            if not isinstance(child, ast.AST):
                continue
            elif_ = name == "orelse" and isinstance(node, ast.If) and isinstance(child, ast.If) and len(children) == 1
            step = 1 if isinstance(child, NESTING) and not elif_ else 0
            deepest = max(deepest, depth(child, inside + step))
    return deepest


@pytest.mark.parametrize("name", MODULES)
def test_blocks_are_nested_three_deep_at_most(name):
    for node in ast.walk(ast.parse(MODULES[name].read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert depth(node) <= 3, f"{node.name} nests {depth(node)} deep"

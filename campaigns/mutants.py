"""What one small change to a module may be: the mutants that `campaigns/mutation.py` tries.

Knows Python's syntax trees. Does not know tests.
"""

import ast
import copy
import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

AROUND = 40
"""So many characters before and after a change are shown."""


@dataclass(frozen=True)
class Mutant:
    """One changed module: `line` is of the real file, `name` says what is changed, `text` is the whole module."""

    module: str
    lines: range
    name: str
    text: str


@dataclass(frozen=True)
class Slot:
    """A place in the tree: an attribute of `parent`, or an item of it."""

    parent: ast.AST
    field: str
    index: int | None

    def put(self, node: object) -> None:
        """Set what is there."""
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def slots(parent: ast.AST) -> Iterator[tuple[Slot, ast.AST, ast.AST]]:
    """Yield all places below `parent` that may be changed: the place, its node, and the statement it is in."""
    for field, value in ast.iter_fields(parent):
        if field in {"annotation", "returns", "decorator_list", "bases", "type_comment", "format_spec"}:
            continue
        several = isinstance(value, list)
        for index, node in enumerate(value if several else [value]):
            if not isinstance(node, ast.AST) or left_alone(node):
                continue
            yield Slot(parent, field, index if several else None), node, parent
            yield from slots(node)


def left_alone(node: ast.AST) -> bool:
    """Say whether nothing in `node` is changed: docstrings, types, assertions, sentences."""
    match node:
        case ast.Assert() | ast.Import() | ast.ImportFrom():
            return True
        case ast.Expr(value=ast.Constant(value=str())):
            return True
        case ast.Expr(value=ast.Call(func=ast.Name(id="assert_never"))):
            return True
        case ast.BinOp(op=ast.BitOr()):
            return all(is_type(leaf) for leaf in leaves(node))
        case ast.Assign(targets=[ast.Name(id="__slots__" | "__all__")]):
            return True
        case ast.JoinedStr(values=parts):
            return any(isinstance(part, ast.Constant) and " " in part.value for part in parts)
        case _:
            return False


def leaves(node: ast.expr) -> Iterator[ast.expr]:
    """Yield what `|` joins."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield from leaves(node.left)
        yield from leaves(node.right)
    else:
        yield node


def is_type(node: ast.expr) -> bool:
    """Say whether this is a type's name, or None."""
    if isinstance(node, ast.Attribute):
        return node.attr[0].isupper() and not node.attr.isupper()
    if isinstance(node, ast.Name):
        return node.id in {"int", "str", "float", "bytes"} or (node.id[0].isupper() and not node.id.isupper())
    return isinstance(node, ast.Subscript) or (isinstance(node, ast.Constant) and node.value is None)


COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
}  # fmt: skip
COUNTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult, ast.Mod: ast.Mult,
    ast.Pow: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.LShift: ast.RShift,
}  # fmt: skip
"""`/` is not among them but between numbers: else it joins paths."""
CALLED = {"min": "max", "max": "min", "any": "all", "all": "any"}


def changes(node: ast.AST) -> Iterator[ast.AST]:  # noqa: C901, PLR0912 - one table, one row a kind
    """Yield what may stand in a node's place."""
    match node:
        case ast.Compare(ops=ops):
            for at, op in enumerate(ops):
                for other in COMPARED[type(op)]:
                    yield altered(node, ops=[*ops[:at], other(), *ops[at + 1 :]])
        case ast.BoolOp(op=op, values=values):
            yield altered(node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
            yield from shortened(node, "values", values)
        case ast.MatchOr(patterns=patterns):
            yield from shortened(node, "patterns", patterns)
        case ast.Call(func=ast.Name(id="isinstance"), args=[what, ast.BinOp(op=ast.BitOr()) as types]):
            for type_ in leaves(types):
                kept = [one for one in leaves(types) if one is not type_]
                yield altered(
                    node, args=[what, functools.reduce(lambda one, other: ast.BinOp(one, ast.BitOr(), other), kept)]
                )
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.BinOp(op=ast.Div(), right=ast.Constant() | ast.Attribute()):
            if not (isinstance(node.right, ast.Constant) and isinstance(node.right.value, str)):
                yield altered(node, op=ast.Mult())
        case ast.BinOp(op=op) | ast.AugAssign(op=op) if type(op) in COUNTED:
            yield altered(node, op=COUNTED[type(op)]())
        case ast.Constant():
            yield from constants(node)
        case ast.Call(func=ast.Name(id=name)) if name in CALLED:
            yield altered(node, func=ast.Name(CALLED[name], ast.Load()))
        case ast.Return(value=ast.expr() as value) if not (
            isinstance(value, ast.Constant) and value.value in {None, False}
        ):
            yield ast.Return(ast.Constant(None))
        case ast.Break():
            yield ast.Continue()
        case ast.Continue():
            yield ast.Break()
        case _:
            pass
    yield from turned(node)
    if left_out(node):
        yield ast.Pass()


def shortened(node: ast.AST, field: str, several: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """Yield the node without each one of several parts."""
    for at in range(len(several)):
        rest = [*several[:at], *several[at + 1 :]]
        yield altered(node, **{field: rest}) if len(rest) > 1 else rest[0]


def altered(node: ast.AST, **fields: Any) -> ast.AST:
    """Return the node with other fields."""
    other = copy.copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def constants(node: ast.Constant) -> Iterator[ast.AST]:
    """Yield other values for a constant; none for None, and none for a sentence."""
    match node.value:
        case bool() as value:
            yield ast.Constant(not value)
        case int() | float() as value:
            yield ast.Constant(value + 1)
        case str() as value if " " not in value:
            yield ast.Constant(f"{value}XX")
        case bytes() as value:
            yield ast.Constant(value + b"XX")
        case _:
            pass


def turned(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the node with its condition turned round, where that is no comparison: those have changes of their own."""
    test = node.guard if isinstance(node, ast.match_case) else getattr(node, "test", None)
    field = "guard" if isinstance(node, ast.match_case) else "test"
    if isinstance(test, ast.expr) and not isinstance(test, ast.Compare | ast.UnaryOp):
        yield altered(node, **{field: ast.UnaryOp(ast.Not(), test)})
    if isinstance(node, ast.comprehension):
        for at, test in enumerate(node.ifs):
            if not isinstance(test, ast.Compare | ast.UnaryOp):
                yield altered(node, ifs=[*node.ifs[:at], ast.UnaryOp(ast.Not(), test), *node.ifs[at + 1 :]])


def left_out(node: ast.AST) -> bool:
    """Say whether a statement can be left out without leaving a name unset."""
    match node:
        case ast.Expr(value=ast.Call() | ast.Yield() | ast.YieldFrom()) | ast.AugAssign() | ast.Raise() | ast.Delete():
            return True
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            return True
        case _:
            return False


def mutants(path: Path) -> tuple[str, list[Mutant]]:
    """Return a module as its tree is written out, and all its mutants."""
    tree = ast.parse(path.read_text("utf-8"))
    plain, found, seen, names = ast.unparse(tree), [], set(), Counter[str]()
    for slot, node, parent in list(slots(tree)):
        first = getattr(node, "lineno", getattr(parent, "lineno", 1))
        last = getattr(node, "end_lineno", None) or first
        if isinstance(node, ast.If | ast.While | ast.match_case | ast.With | ast.For):
            last = first
        for other in changes(node):
            slot.put(other)
            text = ast.unparse(ast.fix_missing_locations(tree))
            slot.put(node)
            if text not in seen and text != plain:
                seen.add(text)
                name = named(path.stem, plain, text)
                names[name] += 1
                name += f" (the {names[name]}. of its kind)" if names[name] > 1 else ""
                found.append(Mutant(path.stem, range(first, last + 1), name, text))
    return plain, found


def named(module: str, plain: str, text: str) -> str:
    """Name a mutant by the statement that differs, before and after, and the function that it is in."""
    before, after = plain.split("\n"), text.split("\n")
    at = next(n for n, (one, other) in enumerate(zip(before, after, strict=False)) if one != other)
    above = [
        line.split("(")[0].split()[1].rstrip(":")
        for line in before[:at]
        if line.lstrip().startswith(("def ", "class "))
    ]
    one, other = before[at].strip(), after[at].strip()
    same = alike(one, other)
    tail = min(alike(one[::-1], other[::-1]), len(one) - same, len(other) - same)
    start, more = max(0, same - AROUND), max(0, tail - AROUND)
    return f"{module}.{above[-1] if above else ''}: {one[start : len(one) - more]} → {other[start : len(other) - more]}"


def alike(one: str, other: str) -> int:
    """Return how many characters at the beginning are the same."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))

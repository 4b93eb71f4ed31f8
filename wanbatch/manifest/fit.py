"""A JSON Schema → a quick yes or no: whether jsonschema would find nothing.

Knows no words and no places: those are jsonschema's, which is asked when the answer is no. So a wrong no costs
time, and a wrong yes would let a mistake through to the service: a keyword that this module does not know raises
when the schema is compiled, wherever it stands, and what it cannot judge is a no.

A schema becomes a table: for each type of value, the one check that such a value must pass. Types are exact, as in
`strict`: `true` is no integer, and neither is 5.0.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache, reduce
from typing import Any

Check = Callable[[Any], bool]
"""Raises one of UNSURE for a value that it cannot judge."""
Kinds = tuple[type, ...]

UNSURE = (KeyError, TypeError, OverflowError)
"""A value of a type that no JSON has; lists where only plain values can be compared; a number that no float holds."""

NULL, BOOLEAN, NUMBER, TEXT, LIST, MAPPING = (type(None),), (bool,), (int, float), (str,), (list,), (dict,)
ALL: Kinds = (*NULL, *BOOLEAN, *NUMBER, *TEXT, *LIST, *MAPPING)
TYPES: dict[str, Kinds] = {
    "null": NULL, "boolean": BOOLEAN, "integer": (int,), "number": NUMBER, "string": TEXT, "array": LIST,
    "object": MAPPING,
}  # fmt: skip

SAYS_NOTHING = frozenset({"$schema", "$id", "$comment", "title", "description", "default", "examples"})
MEMBERS = frozenset({"properties", "patternProperties", "additionalProperties"})
"""Keywords that are read as one."""
BRANCHES = frozenset({"then", "else"})  # read with `if`


def anything(_value: object) -> bool:
    """Let every value through."""
    return True


def nothing(_value: object) -> bool:
    """Let no value through."""
    return False


def both(one: Check, other: Check) -> Check:
    """Return the check that two checks make together."""
    if anything in (one, other):
        return one if other is anything else other
    return lambda value: one(value) and other(value)


def among(values: list[Any]) -> Iterator[tuple[Kinds, Check]]:
    """Yield the checks of `enum`: 1 and 1.0 are one value, 1 and true are two. Raises ValueError for lists in it."""
    for kinds in (NULL, BOOLEAN, NUMBER, TEXT):
        allowed = frozenset(value for value in values if type(value) in kinds)
        yield kinds, allowed.__contains__ if allowed else nothing
    if any(isinstance(value, list | dict) for value in values):
        raise ValueError("enum: plain values only")
    yield (*LIST, *MAPPING), nothing


def unique(values: list[Any]) -> bool:
    """Say whether no value comes twice, told apart as `among` does."""
    return len({(type(value) is bool, value) for value in values}) == len(values)


PLAIN: dict[str, Callable[[Any], tuple[Kinds, Check]]] = {
    "minimum": lambda least: (NUMBER, lambda value: not value < least),
    "maximum": lambda most: (NUMBER, lambda value: not value > most),
    "exclusiveMinimum": lambda below: (NUMBER, lambda value: not value <= below),
    "multipleOf": lambda step: (NUMBER, lambda value: value % step == 0),
    "minLength": lambda least: (TEXT, lambda value: len(value) >= least),
    "maxLength": lambda most: (TEXT, lambda value: len(value) <= most),
    "pattern": lambda pattern: (TEXT, lambda value, search=re.compile(pattern).search: search(value) is not None),
    "minItems": lambda least: (LIST, lambda value: len(value) >= least),
    "maxItems": lambda most: (LIST, lambda value: len(value) <= most),
    "uniqueItems": lambda asked: (LIST, unique if asked else anything),
    "minProperties": lambda least: (MAPPING, lambda value: len(value) >= least),
    "maxProperties": lambda most: (MAPPING, lambda value: len(value) <= most),
    "required": lambda names: (MAPPING, lambda value, needed=frozenset(names): value.keys() >= needed),
}
"""Keywords whose check needs no other schema: which types they are about, and the check."""


class Compiler:
    """Compiles the parts of one schema; `root` is what a `$ref` points into."""

    def __init__(self, root: Any) -> None:
        self.root = root

    def check(self, schema: Any) -> Check:
        """Return the check of a schema. Raises ValueError for what this module does not know."""
        if isinstance(schema, bool):
            return anything if schema else nothing
        table: dict[type, Check] = dict.fromkeys(ALL, anything)
        for kinds, check in self.rules(schema):
            for kind in kinds:
                table[kind] = both(table[kind], check)
        one = table[str]
        return one if all(check is one for check in table.values()) else lambda value: table[type(value)](value)

    def rules(self, schema: Mapping[str, Any]) -> Iterator[tuple[Kinds, Check]]:
        """Yield what each keyword asks, and of which types of value."""
        for keyword, rule in schema.items():
            if keyword == "type":
                allowed = [kind for name in ([rule] if isinstance(rule, str) else rule) for kind in TYPES[name]]
                yield tuple(kind for kind in ALL if kind not in allowed), nothing
            elif keyword in {"enum", "const"}:
                yield from among(rule if keyword == "enum" else [rule])
            elif keyword in PLAIN:
                yield PLAIN[keyword](rule)
            elif keyword not in SAYS_NOTHING | MEMBERS | BRANCHES:
                yield self.nested(keyword, rule, schema)
        if not MEMBERS.isdisjoint(schema):
            yield MAPPING, self.members(schema)

    def nested(self, keyword: str, rule: Any, schema: Mapping[str, Any]) -> tuple[Kinds, Check]:
        """Return what a keyword with schemas in it asks."""
        match keyword:
            case "$ref":
                return ALL, self.check(self.target(rule))
            case "anyOf":
                checks = [self.check(one) for one in rule]
                return ALL, lambda value: any(check(value) for check in checks)
            case "not":
                refused = self.check(rule)
                return ALL, lambda value: not refused(value)
            case "if":
                asked, yes, no = (self.check(one) for one in (rule, schema.get("then", True), schema.get("else", True)))
                return ALL, lambda value: yes(value) if asked(value) else no(value)
            case "items":
                each = self.check(rule)
                return LIST, lambda value: all(map(each, value))
            case "propertyNames":
                name = self.check(rule)
                return MAPPING, lambda value: all(map(name, value))
            case "dependentRequired":
                return self.nested("dependentSchemas", {name: {"required": more} for name, more in rule.items()}, {})
            case "dependentSchemas":
                needs = {name: self.check(one) for name, one in rule.items()}
                return MAPPING, lambda value: all(check(value) for name, check in needs.items() if name in value)
            case _:
                raise ValueError(f"a keyword that nothing here checks: {keyword}")

    def target(self, reference: str) -> Any:
        """Return what a `$ref` points to. Raises KeyError where nothing is: in another document, for one."""
        found = {"#": self.root}
        for step in reference.split("/"):
            found = found[step]
        return found

    def members(self, schema: Mapping[str, Any]) -> Check:
        """Return the check of a mapping's values: those known by name, those known by a pattern, the rest."""
        patterns = [(re.compile(p).search, self.check(one)) for p, one in schema.get("patternProperties", {}).items()]
        rest = self.check(schema.get("additionalProperties", True))

        def unnamed(name: str, other: Check) -> Check:
            fitting = [check for search, check in patterns if search(name)]
            return reduce(both, fitting) if fitting else other

        said = schema.get("properties", {}).items()
        known = {name: both(self.check(one), unnamed(name, anything)) for name, one in said}
        if rest is anything and not patterns:
            asked = [(name, check) for name, check in known.items() if check is not anything]
            return lambda value: all(check(value[name]) for name, check in asked if name in value)

        def check(value: dict[str, Any]) -> bool:
            for name, inside in value.items():  # noqa: SIM110 - a tenth quicker than `all`, and all time is spent here
                if not (known.get(name) or unnamed(name, rest))(inside):
                    return False
            return True

        return check


@cache
def shipped(schema_id: str) -> Any:
    """Return a shipped schema: `manifest`, `config`, or that of a model family's requests."""
    from wanbatch.service import catalog

    named = {"manifest": catalog.manifest_schema, "config": catalog.config_schema}
    return named[schema_id]() if schema_id in named else catalog.request_schema(schema_id)


@cache
def compiled(schema_id: str, part: str) -> Check:
    """Return the check of a part of a shipped schema."""
    compiler = Compiler(shipped(schema_id))
    return compiler.check(compiler.target(part))


def fits(schema_id: str, value: object, part: str = "#") -> bool:
    """Say whether a value fits a schema, or the part of it that a `$ref` names so. A no may be wrong, a yes never."""
    check = compiled(schema_id, part)
    try:
        return check(value)
    except UNSURE:
        return False

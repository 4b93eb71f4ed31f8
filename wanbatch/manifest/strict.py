"""The JSON Schema validator as the language means it, and what it finds in data that does not fit.

The only module that loads jsonschema, and that takes longer than reading a manifest: import it where something is
known to be wrong.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from wanbatch.manifest.fit import fits, shipped

SCENE = "#/properties/scenes/items"


def strictly_integer(_checker: object, value: object) -> bool:
    """JSON Schema counts 5.0 as an integer; the service's gateways do not."""
    return isinstance(value, int) and not isinstance(value, bool)


def excluding(validator: Any, dependents: Any, instance: Any, _schema: object) -> Iterator[ValidationError]:
    """Do as `dependentSchemas`, and say which key it is that another one forbids: jsonschema itself leaves it out."""
    for name, dependency in dependents.items() if isinstance(instance, dict) else ():
        for error in validator.descend(instance, dependency, schema_path=name) if name in instance else ():
            if error.validator is None:
                forbidden = next(key for key, allowed in dependency["properties"].items()
                                 if allowed is False and instance.get(key) is error.instance)  # fmt: skip
                error.path.append(forbidden)
                error.validator, error.validator_value = "excluding", name
            yield error


def misfits(validator: Any, items: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    """Do as `items`, and pass over the scenes that fit: thousands of them may stand beside one mistake."""
    if items is not shipped("manifest")["properties"]["scenes"]["items"]:
        yield from Draft202012Validator.VALIDATORS["items"](validator, items, instance, schema)
        return
    for index, scene in enumerate(instance if isinstance(instance, list) else ()):
        if not fits("manifest", scene, SCENE):
            yield from validator.descend(scene, items, path=index)


STRICT_TYPES = Draft202012Validator.TYPE_CHECKER.redefine("integer", strictly_integer)
StrictValidator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {"dependentSchemas": excluding, "items": misfits}, type_checker=STRICT_TYPES
)


@cache
def validator(schema_id: str) -> Any:
    """Return the validator of a shipped schema: `manifest`, `config`, or a model family."""
    return StrictValidator(shipped(schema_id))

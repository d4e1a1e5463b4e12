"""The JSON Schema of the file: what an editor needs to complete, explain and check it.

Made from the models, so that a setting is defined once. Draft 7, which yaml-language-server reads. Beside
what a value may be, each scalar may be a text with `${...}` in it: what that comes to is known only later.
"""

from __future__ import annotations

import json
import signal as signals
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from gleitzeitd.config.schema import RELOAD, RUNS, File

SHIPPED = Path(__file__).with_name("providers.schema.json")
"""The file that an editor reads; `make docs` writes it."""

Node = dict[str, Any]

DEFINITIONS = "#/definitions/"
_SUBSTITUTED: Node = {
    "description": "A text that is substituted when the file is read, such as ${NAME} or ${NAME:-default}.",
    "type": "string",
    "pattern": r"\$\{",
}
_NOTHING: Node = {"type": "null"}
_EXACTLY_ONE = [{"required": [key]} for key in RUNS]
_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
_SAID = ("title", "description", "default", RELOAD)


class _Generator(GenerateJsonSchema):
    def field_title_should_be_set(self, schema: Any) -> bool:
        """A title is the name of a type here; pydantic would make it of the key, which stands beside it."""
        return False

    def encode_default(self, dft: Any) -> Any:
        return dft.name if isinstance(dft, signals.Signals) else super().encode_default(dft)


def schema() -> Node:
    """The schema of a whole file."""
    made = File.model_json_schema(ref_template=f"{DEFINITIONS}{{model}}", schema_generator=_Generator)
    definitions = made.pop("$defs")
    sections = {f"{DEFINITIONS}{name}" for name, node in definitions.items() if "properties" in node}
    definitions = {name: _definition(node, sections) for name, node in definitions.items()}
    definitions["Provider"]["oneOf"] = _EXACTLY_ONE
    definitions["Substituted"] = _SUBSTITUTED
    draft = "http://json-schema.org/draft-07/schema#"
    return {"$schema": draft, **_definition(made, sections), "definitions": definitions}


def text() -> str:
    """The schema as it is shipped."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


def _definition(node: Node, sections: Collection[str]) -> Node:
    node = {key: part for key, part in node.items() if key != "title"}
    if "properties" in node:
        node["properties"] = {key: _value(part, sections) for key, part in node["properties"].items()}
    return node


def _value(node: Node, sections: Collection[str]) -> Node:
    """What is said of a value, then its forms; an empty default is none that an editor should offer."""
    title = next((part["title"] for part in (node, *node.get("anyOf", ())) if "title" in part), None)
    said = {"title": title, **{key: node.get(key) for key in _SAID[1:]}}
    forms = _forms(node)
    if any(_is_scalar(form, sections) for form in forms) and not any(map(_is_any_text, forms)):
        forms.append({"$ref": f"{DEFINITIONS}Substituted"})
    if any(form.get("$ref") in sections or form.get("type") == "object" for form in forms):
        # All its keys may be commented out.
        forms += [_NOTHING] if _NOTHING not in forms else []
    shape = forms[0] if len(forms) == 1 else {"anyOf": forms}
    return {key: part for key, part in said.items() if part is not None} | shape


def _forms(node: Node) -> list[Node]:
    """Each way in which the value may be written, with the bounds that stand around it."""
    own = {_BOUNDS.get(key, key): part for key, part in node.items() if key not in _SAID}
    bounds = {key: part for key, part in own.items() if key in _BOUNDS.values()}
    if "anyOf" not in own:
        return [own]
    inner = [form for part in own["anyOf"] for form in _forms(part)]
    return [form | bounds if form.get("type") in ("integer", "number") else form for form in inner]


def _is_scalar(form: Node, sections: Collection[str]) -> bool:
    return form.get("$ref") not in sections and form.get("type") not in ("null", "array", "object")


def _is_any_text(form: Node) -> bool:
    return "string" in form.get("type", "") and not {"pattern", "enum"} & set(form)

"""Numbers that know how they were written: a version 3.10 is not 3.1, and a mode 0022 not 22."""

from __future__ import annotations

from typing import Any, Self

from ruamel.yaml.constructor import ConstructorError, RoundTripConstructor


class Int(int):
    text: str

    @classmethod
    def of(cls, value: int, text: str) -> Self:
        number = cls(value)
        number.text = text
        return number


class Float(float):
    text: str

    @classmethod
    def of(cls, value: float, text: str) -> Self:
        number = cls(value)
        number.text = text
        return number


class Constructor(RoundTripConstructor):
    def construct_object(self, node: Any, deep: bool = False) -> Any:
        if node in self.recursive_objects:
            raise ConstructorError(None, None, "what contains itself has no end", node.start_mark)
        return super().construct_object(node, deep)

    def construct_yaml_int(self, node: Any) -> Int:
        return Int.of(int(super().construct_yaml_int(node)), node.value)

    def construct_yaml_float(self, node: Any) -> Float:
        return Float.of(float(super().construct_yaml_float(node)), node.value)


Constructor.add_constructor("tag:yaml.org,2002:int", Constructor.construct_yaml_int)
Constructor.add_constructor("tag:yaml.org,2002:float", Constructor.construct_yaml_float)


def as_written(value: object) -> str:
    """A plain value as the file shows it."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case Int() | Float():
            return value.text
        case _:
            return str(value)

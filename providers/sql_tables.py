"""What tables a database has, and how they are made."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from gleitzeit_extensions import InvalidRequest

if TYPE_CHECKING:
    from sqlalchemy.engine import Inspector

Item = dict[str, Any]


def listed(inspector: Inspector, schema: str | None) -> list[Item]:
    """The tables and views, by name."""
    views = set(inspector.get_view_names(schema))
    if inspector.dialect.name == "postgresql":
        views |= set(inspector.get_materialized_view_names(schema))
    kinds = dict.fromkeys(inspector.get_table_names(schema), "table") | dict.fromkeys(views, "view")
    at = schema or inspector.default_schema_name
    return [{"name": name, "kind": kinds[name], "schema": at} for name in sorted(kinds)]


def described(inspector: Inspector, name: str, schema: str | None) -> Item:
    """Its columns and keys; an error names what is called alike."""
    from sqlalchemy.exc import NoSuchTableError

    try:
        return _description(inspector, name, schema)
    except NoSuchTableError as exc:
        near = difflib.get_close_matches(name, [one["name"] for one in listed(inspector, schema)], n=1)
        hint = f" (did you mean {near[0]}?)" if near else "; `tables` lists what there is"
        raise InvalidRequest(f'there is no table "{name:.100}"{hint}') from exc


def _description(inspector: Inspector, name: str, schema: str | None) -> Item:
    return {
        "name": name,
        "columns": [
            {
                "name": one["name"],
                "type": str(one["type"]),
                "nullable": one["nullable"],
                "default": one.get("default"),
                "comment": one.get("comment"),
            }
            for one in inspector.get_columns(name, schema)
        ],
        "primary_key": inspector.get_pk_constraint(name, schema)["constrained_columns"],
        "foreign_keys": [
            {
                "columns": one["constrained_columns"],
                "to": {
                    "schema": one["referred_schema"],
                    "table": one["referred_table"],
                    "columns": one["referred_columns"],
                },
            }
            for one in inspector.get_foreign_keys(name, schema)
        ],
        "unique": [one["column_names"] for one in inspector.get_unique_constraints(name, schema)],
        "indexes": [
            {"name": one["name"], "columns": one["column_names"], "unique": bool(one["unique"])}
            for one in inspector.get_indexes(name, schema)
        ],
    }

"""What an author's docstring says about each parameter, in whichever of the usual styles it is written."""

from __future__ import annotations


def first_line(doc: str | None) -> str:
    return (doc or "").split("\n", 1)[0].strip()


def of_parameters(doc: str | None) -> dict[str, str]:
    """Parameter to its words; empty when there are none, or when they cannot be read."""
    if not doc or "\n" not in doc:
        return {}
    from docstring_parser import parse

    try:
        found = parse(doc).params
    except Exception:  # an author may write anything, and the words are a help only
        return {}
    return {one.arg_name: " ".join(one.description.split()) for one in found if one.description}

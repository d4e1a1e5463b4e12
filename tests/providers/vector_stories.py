"""What may happen to a collection of vectors, and a model of what has to come of it, whatever keeps them."""

from __future__ import annotations

import math
import operator
from array import array
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import Phase
from hypothesis import strategies as st

from providers.vector_provider import VectorProvider

Item = dict[str, Any]
Step = tuple[str, dict[str, Any]]

DIMENSIONS = 3
IDS = ["a", "B", "ä", "\U0001f600", "'; --", 'quo"te', "%s"]
KEYS = ["n", "it's", "$.ü %s"]
TEXTS = ["", "b", "B", "ä", "\U0001f600", "'", '\\"', "1", "true", "%s"]
COMPARE = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}

numbers = st.integers(-3, 3) | st.sampled_from([0.1, 2**53, 2**53 + 1, 1e300, -2.5]) | st.floats(-1e6, 1e6)
ordered = numbers | st.sampled_from(TEXTS)
scalars = ordered | st.none() | st.booleans()
ranges = st.dictionaries(st.sampled_from(list(COMPARE)), ordered, min_size=1, max_size=2)
filters = st.dictionaries(st.sampled_from(KEYS), scalars | ranges, max_size=2)
some_filters = st.dictionaries(st.sampled_from(KEYS), scalars | ranges, min_size=1, max_size=2)
coordinates = st.integers(-2, 2).map(float) | st.floats(-1000, 1000, width=32)
# Of the directions that cosine compares none is nothing, nor nearly so.
vectors = st.tuples(*[coordinates] * DIMENSIONS).map(list).filter(lambda one: math.hypot(*one) > 1e-3)
items = st.fixed_dictionaries(
    {"id": st.sampled_from(IDS), "vector": vectors},
    optional={
        "metadata": st.dictionaries(st.sampled_from(KEYS), scalars, max_size=3),
        "text": st.sampled_from(TEXTS),
    },
)
steps = st.one_of(
    st.tuples(st.just("upsert"), st.fixed_dictionaries({"items": st.lists(items, max_size=6)})),
    st.tuples(
        st.just("search"),
        st.fixed_dictionaries({"vector": vectors, "k": st.integers(1, 8)}, optional={"filter": filters}),
    ),
    st.tuples(st.just("get"), st.fixed_dictionaries({"ids": st.lists(st.sampled_from(IDS), max_size=4)})),
    st.tuples(st.just("count"), st.fixed_dictionaries({}, optional={"filter": filters})),
    st.tuples(st.just("delete"), st.fixed_dictionaries({"ids": st.lists(st.sampled_from(IDS), max_size=2)})),
    st.tuples(st.just("delete"), st.fixed_dictionaries({"filter": some_filters})),
)
full = st.lists(items, min_size=3, max_size=8, unique_by=lambda item: str(item["id"]))
stories = st.tuples(st.sampled_from(["cosine", "l2"]), full, st.lists(steps, min_size=1, max_size=6))
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]
"""To make a story that fails shorter would take longer than to read it."""

Story = tuple[str, list[Item], list[Step]]


@dataclass
class Model:
    metric: str
    items: dict[str, Item] = field(default_factory=dict)

    def fitting(self, filter: Item | None) -> dict[str, Item]:
        wanted = (filter or {}).items()
        return {
            id: item
            for id, item in self.items.items()
            if all(key in item["metadata"] and _fits(item["metadata"][key], one) for key, one in wanted)
        }

    def upsert(self, items: list[Item]) -> Item:
        for item in items:
            vector = array("f", item["vector"]).tolist()
            self.items[item["id"]] = {"metadata": {}, "text": None, **item, "vector": vector}
        return {"upserted": len({item["id"] for item in items})}

    def get(self, ids: list[str]) -> Item:
        return {
            "items": [self.items[id] for id in dict.fromkeys(ids) if id in self.items],
            "truncated": False,
        }

    def count(self, filter: Item | None = None) -> Item:
        return {"count": len(self.fitting(filter))}

    def delete(self, ids: list[str] | None = None, filter: Item | None = None) -> Item:
        gone = self.fitting(filter).keys() if ids is None else {id for id in ids if id in self.items}
        self.items = {id: item for id, item in self.items.items() if id not in gone}
        return {"deleted": len(gone)}

    def check_search(self, found: Item, vector: list[float], k: int, filter: Item | None = None) -> None:
        """Distances may differ in their last digits, and so the order of those that differ by no more."""
        fitting = self.fitting(filter)
        asked = array("f", vector).tolist()
        distances = {id: self._distance(asked, item["vector"]) for id, item in fitting.items()}
        given = [item["id"] for item in found["items"]]
        assert len(set(given)) == len(given) == min(k, len(fitting))
        near = sorted(distances.values())[: len(given)]
        assert [item["distance"] for item in found["items"]] == [_about(distance) for distance in near]
        for item in found["items"]:
            there = fitting[item["id"]]
            assert item == {
                "id": item["id"],
                "distance": _about(distances[item["id"]]),
                "metadata": there["metadata"],
                "text": there["text"],
            }
        for one, next_one in pairwise(given):
            assert fitting[one]["vector"] != fitting[next_one]["vector"] or one < next_one

    def _distance(self, one: list[float], other: list[float]) -> float:
        if self.metric == "l2":
            return math.dist(one, other)
        dot = math.fsum(a * b for a, b in zip(one, other, strict=True))
        return 1 - dot / (math.hypot(*one) * math.hypot(*other))


async def is_as_told(provider: VectorProvider, story: Story) -> None:
    """Live it through in a collection of its own, and compare each answer with the model's."""
    metric, first, steps = story
    model = Model(metric)
    await provider.drop_collection("stories")
    await provider.create_collection("stories", DIMENSIONS, metric)
    for name, arguments in [("upsert", {"items": first}), *steps]:
        answer = await provider.invoke(name, collection="stories", **arguments)
        if name == "search":
            model.check_search(answer, **arguments)
        else:
            assert answer == getattr(model, name)(**arguments), (name, arguments)


def _about(distance: float) -> Any:
    return pytest.approx(distance, rel=1e-4, abs=1e-5)


def _fits(value: Any, wanted: Any) -> bool:
    if not isinstance(wanted, dict):
        return bool(_kind(value) is _kind(wanted) and value == wanted)
    return all(_kind(value) is _kind(bound) and COMPARE[name](value, bound) for name, bound in wanted.items())


def _kind(value: Any) -> type:
    return float if type(value) is int else type(value)

"""Names that people ask for, and who answers to them."""

from __future__ import annotations

import fnmatch
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gleitzeitd.core.targets import By, How, Offering, Target, resolve, undecided
from tests.core.examples import examples

OPENAI = Offering("openai", ("gpt-4o", "gpt-4o-mini", "gpt-4o-*"), ("chat",), {"fast": "gpt-4o-mini"})
MIRROR = Offering("mirror", ("gpt-4o",), ("chat", "embed"), {"gpt-4o-mini": "small"})
ANY = Offering("any", ("*",))
CALC = Offering("calculator", (), ("math",))
HOUSE = (OPENAI, MIRROR, ANY, CALC)
OWNERS = {"calculator#1": "calculator", "calculator#2": "calculator", "openai": "openai"}

FOUND = [
    (By.PROVIDER, "openai", How.PROVIDER, {"openai": ""}),
    (By.PROVIDER, "calculator#2", How.INSTANCE, {"calculator": ""}),
    (By.MODEL, "gpt-4o", How.MODEL, {"mirror": "gpt-4o", "openai": "gpt-4o"}),
    (By.MODEL, "fast", How.ALIAS, {"openai": "gpt-4o-mini"}),
    (By.MODEL, "gpt-4o-mini", How.MODEL, {"openai": "gpt-4o-mini"}),
    (By.MODEL, "gpt-4o-large", How.WILDCARD, {"openai": "gpt-4o-large"}),
    (By.MODEL, "claude", How.WILDCARD, {"any": "claude"}),
    (By.MODEL, "gpt-4o-*", How.WILDCARD, {"openai": "gpt-4o-*"}),
    (By.CAPABILITY, "chat", How.CAPABILITY, {"mirror": "", "openai": ""}),
    (By.TARGET, "openai", How.PROVIDER, {"openai": ""}),
    (By.TARGET, "gpt-4o", How.MODEL, {"mirror": "gpt-4o", "openai": "gpt-4o"}),
]


@pytest.mark.parametrize(("by", "name", "how", "models"), FOUND)
def test_the_first_way_that_finds_anybody_decides(
    by: By, name: str, how: How, models: dict[str, str]
) -> None:
    found = resolve(Target(by, name), HOUSE, OWNERS)

    assert found is not None
    assert (found.how, dict(found.models)) == (how, models)
    assert found.providers == tuple(sorted(models))


@pytest.mark.parametrize(
    ("by", "name"), [(By.PROVIDER, "gpt-4o"), (By.CAPABILITY, "gpt-4o"), (By.PROVIDER, "calculator#9")]
)
def test_what_is_named_by_its_kind_is_looked_for_in_that_kind_only(by: By, name: str) -> None:
    assert resolve(Target(by, name), HOUSE, OWNERS) is None


def test_a_capability_is_the_last_thing_that_a_bare_name_can_be() -> None:
    found = resolve(Target(By.TARGET, "chat"), (OPENAI, MIRROR), {})

    assert found is not None
    assert found.how is How.CAPABILITY
    found = resolve(Target(By.TARGET, "chat"), HOUSE, {})
    assert found is not None
    assert (found.how, found.pattern) == (How.WILDCARD, "*")


def test_an_alias_is_known_before_its_provider_has_said_what_it_offers() -> None:
    silent = Offering("openai", aliases={"fast": "gpt-4o-mini"}, is_known=False)
    found = resolve(Target(By.MODEL, "fast"), (silent,), {})

    assert found is not None
    assert dict(found.models) == {"openai": "gpt-4o-mini"}


@pytest.mark.parametrize("by", list(By))
def test_only_who_has_not_spoken_may_still_turn_out_to_offer_it(by: By) -> None:
    offerings = (Offering("b", is_known=False), Offering("a", is_known=False), Offering("c"))

    assert undecided(Target(by, "x"), offerings) == (() if by is By.PROVIDER else ("a", "b"))


def test_a_target_is_named_as_its_caller_did() -> None:
    assert [str(Target(by, "x")) for by in By] == ['"x"', 'provider "x"', 'model "x"', 'capability "x"']


@pytest.mark.parametrize(
    ("patterns", "name", "wins"),
    [
        (["*", "gpt-*", "gpt-4*"], "gpt-4o", "gpt-4*"),
        (["gpt-*-mini", "gpt-4*"], "gpt-4o-mini", "gpt-*-mini"),
        (["*mini", "gpt-*"], "gpt-4o-mini", "gpt-*"),
        (["g*****", "gp*"], "gpt", "gp*"),
        (["gpt.*"], "gpt-4", ""),
        (["*[a]"], "a", ""),
        (["*"], "two\nlines", "*"),
    ],
)
def test_the_wildcard_that_says_most_of_the_name_wins(patterns: list[str], name: str, wins: str) -> None:
    offerings = [Offering(f"p{number}", (pattern,)) for number, pattern in enumerate(patterns)]
    found = resolve(Target(By.MODEL, name), offerings, {})

    assert (found.pattern if found else "") == wins


names = st.text("ab*", min_size=1, max_size=4)
offerings = st.lists(
    st.builds(
        Offering,
        st.sampled_from("pqrs"),
        st.lists(names, max_size=3).map(tuple),
        st.lists(names, max_size=2).map(tuple),
        st.dictionaries(names, names, max_size=2),
        st.booleans(),
    ),
    max_size=4,
    unique_by=lambda offering: offering.provider,
)
targets = st.builds(Target, st.sampled_from(By), names)


@examples(150)
@given(targets, offerings, st.randoms(use_true_random=False))
def test_the_order_of_the_offerings_decides_nothing(
    target: Target, some: list[Offering], random: Random
) -> None:
    shuffled = some.copy()
    random.shuffle(shuffled)
    one, other = resolve(target, some, {}), resolve(target, shuffled, {})

    assert one == other
    if one and other:
        assert list(one.models) == list(other.models) == sorted(one.models)


@examples(150)
@given(names, offerings)
def test_of_the_wildcards_that_match_none_says_more_than_the_one_that_won(
    name: str, some: list[Offering]
) -> None:
    found = resolve(Target(By.MODEL, name), some, {})
    matching = {m for o in some for m in o.models if "*" in m and fnmatch.fnmatchcase(name, m)}

    if found is None:
        assert not matching
    elif found.how is How.WILDCARD:
        said = {pattern: len(pattern.replace("*", "")) for pattern in matching}
        assert said[found.pattern] == max(said.values())
        assert found.providers == tuple(sorted(o.provider for o in some if found.pattern in o.models))


def test_a_pattern_of_many_stars_costs_no_more_than_its_length() -> None:
    """Seen to hang with a regular expression."""
    pattern = "*".join("a" * 60) + "*b"
    assert resolve(Target(By.MODEL, "a" * 200), [Offering("p", (pattern,))], {}) is None
    assert resolve(Target(By.MODEL, "a" * 200 + "b"), [Offering("p", (pattern,))], {}) is not None

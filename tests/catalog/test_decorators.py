"""Decorators in any order, read by running and without: both say the same."""

from __future__ import annotations

import runpy
import subprocess
import sys
import traceback
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gleitzeit_extensions.catalog import source
from gleitzeit_extensions.catalog.meta import ExtensionMeta
from gleitzeit_extensions.decorators import (
    capability,
    config_field,
    extension,
    get_extension_handlers,
    get_extension_meta,
    handler,
    is_extension,
    model,
    requires,
)
from gleitzeit_extensions.exceptions import ExtensionLoadError, ExtensionValidationError
from tests.catalog.writing import module, write

IMPORT = "from gleitzeit_extensions.decorators import *\n"
WORDS = st.from_regex(r"[a-h]{1,6}", fullmatch=True)
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.lists(st.integers()))
FIELDS = st.one_of(
    st.fixed_dictionaries(
        {"field_type": st.just("integer"), "default": st.integers(0, 9)}, optional={"max": st.just(9)}
    ),
    st.fixed_dictionaries(
        {"field_type": st.just("secret")}, optional={"env_var": WORDS, "required": st.booleans()}
    ),
    st.fixed_dictionaries({}, optional={"description": st.text(max_size=9), "choices": st.just(["a", "b"])}),
)


@st.composite
def calls(draw: st.DrawFn) -> list[str]:
    """The decorators of a class as source, in some order."""
    head = f"extension({draw(WORDS)!r}, description={draw(st.text(max_size=9))!r}, version='2')"
    models = [
        f"model({name!r}, capabilities={draw(st.lists(WORDS, max_size=2))!r}, extra={draw(VALUES)!r})"
        for name in draw(st.lists(WORDS, unique=True, max_size=3))
    ]
    fields = [
        f"config_field('f{i}', {', '.join(f'{k}={v!r}' for k, v in said.items())})"
        for i, said in enumerate(draw(st.lists(FIELDS, max_size=3)))
    ]
    words = [f"capability({name!r})" for name in draw(st.lists(WORDS, max_size=3))]
    needs = [f"requires({name!r})" for name in draw(st.lists(WORDS, max_size=2))]
    whole = draw(st.permutations([head, *models, *fields, *words, *needs]))
    return list(whole)


def ran(code: str) -> ExtensionMeta:
    namespace: dict[str, Any] = {}
    exec(code, namespace)
    return get_extension_meta(namespace["Weather"])


def text(calls: list[str], *, head: str = IMPORT, prefix: str = "") -> str:
    return head + "".join(f"@{prefix}{call}\n" for call in calls) + "class Weather:\n    pass\n"


def read(directory: Path, code: str) -> ExtensionMeta:
    path = directory / "weather.py"
    path.write_text(code)
    found, wrong = source.read(path, path)
    assert not wrong
    (one,) = found
    return one.meta


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("read")


@settings(deadline=None)
@given(calls())
def test_reading_and_running_tell_the_same(directory: Path, calls: list[str]) -> None:
    code = text(calls)
    assert read(directory, code) == ran(code)


@settings(deadline=None)
@given(calls(), st.data())
def test_where_the_extension_stands_among_them_does_not_matter(calls: list[str], data: st.DataObject) -> None:
    head = next(call for call in calls if call.startswith("extension("))
    others = [call for call in calls if call != head]
    place = data.draw(st.integers(0, len(others)))
    assert ran(text([*others[:place], head, *others[place:]])) == ran(text([head, *others]))


def test_every_order_of_different_decorators_tells_the_same() -> None:
    four = [
        "extension('w')",
        "requires('a>=1', 'b')",
        "model('m')",
        "capability('x', 'y')",
        "config_field('f')",
    ]
    assert len({repr(ran(text(list(order)))) for order in permutations(four)}) == 1


def test_what_is_said_keeps_the_order_of_the_source() -> None:
    @extension("weather")
    @model("one")
    @capability("a", "b")
    @model("two")
    @capability("b", "c")
    class Weather:
        pass

    meta = get_extension_meta(Weather)
    assert [one.name for one in meta.models] == ["one", "two"]
    assert meta.capabilities == ("a", "b", "c")


@pytest.mark.parametrize(
    ("head", "prefix"),
    [
        ("from gleitzeit_extensions.decorators import extension, model\n", ""),
        ("from gleitzeit_extensions import extension, model\n", ""),
        ("import gleitzeit_extensions.decorators\n", "gleitzeit_extensions.decorators."),
        ("import gleitzeit_extensions.decorators as d\n", "d."),
        ("from gleitzeit_extensions import decorators\n", "decorators."),
        ("import gleitzeit_extensions as g\n", "g."),
        ("from gleitzeit_extensions.decorators import *\n", ""),
    ],
)
def test_it_does_not_matter_how_they_are_imported(tmp_path: Path, head: str, prefix: str) -> None:
    code = text(["extension('w')", "model('m')"], head=head, prefix=prefix)
    assert read(tmp_path, code) == ran(code)
    assert [one.name for one in read(tmp_path, code).models] == ["m"]


def test_constants_of_the_module_are_read(tmp_path: Path) -> None:
    code = text(
        ["extension(NAME, version=VERSION)", "model('m', **LIMITS)", "capability(*WORDS)"],
        head=IMPORT + "NAME = 'w'\nVERSION: str = '3'\nWORDS = ('a', 'b')\nLIMITS = {'max_tokens': 5}\n",
    )
    assert read(tmp_path, code) == ran(code)


@pytest.mark.parametrize(
    "code",
    [
        text(["extension('w', description=' '.join('ab'))"]),
        text(["extension(NAME)"], head=IMPORT + "NAME = 'a'\nNAME = 'b'\n"),
        text(["extension(NAME)"], head=IMPORT + "from os import name as NAME\n"),
        IMPORT + "class W: pass\nW = extension('w')(W)\n",
        "import gleitzeit_extensions.decorators as d\nif 1:\n    @d.extension('w')\n    class W: pass\n",
        IMPORT + "@extension\nclass W: pass\n",
    ],
)
def test_what_is_computed_has_to_be_run(tmp_path: Path, code: str) -> None:
    write(tmp_path, {"w.py": code})
    with pytest.raises(source.Unreadable):
        source.read(tmp_path / "w.py", tmp_path / "w.py")


# What is wrong, and the sentence; each is told by reading and raised by running.
WRONG = [
    (["extension('')"], "@extension needs a name, not ''"),
    (["extension('w', version=1.0)"], '@extension: version is a string, not 1.0: write "1.0"'),
    (["extension('w')", "model('m', capabilities='text')"], '@model: capabilities is a list: write ["text"]'),
    (["extension('w')", "model('m', max_tokens=0)"], "max_tokens is a whole number above 0, not 0"),
    (["extension('w')", "model('m', cost_per_token=-1)"], "cost_per_token is a number, 0 or more, not -1"),
    (["extension('w')", "config_field('f', 'int')"], 'field_type: "int" is no type (did you mean integer?)'),
    (["extension('w')", "config_field('f', 'integer', min=3, max=1)"], "min: 3 is more than max, 1"),
    (
        ["extension('w')", "config_field('f', 'integer', default='5')"],
        'default: has to be an integer, not "5"',
    ),
    (["extension('w')", "config_field('f', requierd=True)"], "did you mean required?"),
    (["extension('w')", "requires(3)"], "@requires takes strings, not 3"),
    (["extension('w')", "capability('')"], "@capability takes strings, not ''"),
    (["extension('w')", "extension('w')"], "@extension is needed once, not twice"),
    (["extension('w')", "model('m')", "model('m')"], 'there are two of @model "m"'),
    (["extension('w')", "config_field('f')", "config_field('f')"], 'there are two of @config_field "f"'),
    (["extension()"], "missing 1 required positional argument: 'name'"),
]


@pytest.mark.parametrize(("calls", "sentence"), WRONG)
def test_a_mistake_is_told_by_reading_with_its_line_and_raised_by_running(
    tmp_path: Path, calls: list[str], sentence: str
) -> None:
    code = text(calls)
    with pytest.raises((ExtensionValidationError, TypeError)) as raised:  # Python's own, for `extension()`
        ran(code)
    write(tmp_path, {"w.py": code})
    found, wrong = source.read(tmp_path / "w.py", tmp_path / "w.py")
    assert sentence in str(raised.value)
    assert not found
    assert [sentence in one.sentence for one in wrong] == [True]
    line = int(wrong[0].place.rpartition(":")[2])
    assert line in range(2, 4 + len(calls))


def test_a_decorator_raises_at_its_line_in_the_code_of_its_author(tmp_path: Path) -> None:
    write(tmp_path, {"weather.py": IMPORT + "\n@model('')\nclass Weather: ...\n"})
    with pytest.raises(ExtensionLoadError) as raised:
        runpy.run_path(str(tmp_path / "weather.py"))
    theirs = [one for one in traceback.extract_tb(raised.value.__traceback__) if "weather.py" in one.filename]
    assert [one.lineno for one in theirs] == [3]


def test_a_huge_number_is_a_number(tmp_path: Path) -> None:
    code = text(["extension('w')", f"model('m', max_tokens={10**400}, cost_per_token={10**400})"])
    assert read(tmp_path, code) == ran(code)


def test_a_class_that_inherits_is_no_extension() -> None:
    @extension("weather")
    @capability("a")
    class Weather:
        pass

    class Other(Weather):
        pass

    assert is_extension(Weather)
    assert not is_extension(Other)
    assert not is_extension("Weather")
    with pytest.raises(ExtensionValidationError, match="Other: there is no @extension"):
        get_extension_meta(Other)

    extension("other")(Other)
    assert get_extension_meta(Other).capabilities == ()
    assert get_extension_meta(Weather).name == "weather"


def test_a_decorator_of_a_class_refuses_what_is_none() -> None:
    with pytest.raises(ExtensionValidationError, match="'setup' is none"):

        @extension("weather")  # type: ignore[type-var]
        def setup() -> None: ...


def test_handlers_are_found_by_the_names_they_are_called_by() -> None:
    class Weather:
        @handler("weather.tell")
        def _tell(self) -> str:
            return "rain"

        @handler("weather.warn")
        async def warn(self) -> None: ...

        def other(self) -> None: ...

    class Local(Weather):
        pass

    handlers = get_extension_handlers(Local)
    assert sorted(handlers) == ["weather.tell", "weather.warn"]
    assert handlers["weather.tell"](Local()) == "rain"


@pytest.mark.parametrize("name", ["", " ", 3, None, lambda: None])
def test_a_handler_needs_a_name(name: Any) -> None:
    with pytest.raises(ExtensionValidationError, match="@handler needs the name that is called"):
        handler(name)


def test_a_decorated_class_is_an_ordinary_one() -> None:
    class Plain:
        def __init__(self, n: int) -> None:
            self.n = n

    decorated = extension("weather")(requires("a")(config_field("n")(model("m")(Plain))))
    assert decorated is Plain
    assert Plain(3).n == 3


def test_the_import_costs_little_and_brings_nothing_heavy() -> None:
    code = "import gleitzeit_extensions.decorators, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"ruamel", "packaging", "asyncio", "json", "importlib.metadata", "socketio"} & set(loaded)


def test_the_module_that_the_others_write_is_an_extension(tmp_path: Path) -> None:
    assert read(tmp_path, module("w")).name == "w"


@pytest.mark.parametrize(
    "change",
    [
        "C.append('b')",
        "C[0] = 'z'",
        "del C[0]",
        "from string import ascii_letters as C",
        "def C(): ...",
    ],
)
def test_a_constant_that_is_changed_is_none(tmp_path: Path, change: str) -> None:
    head = "from gleitzeit_extensions.decorators import *\nC = ['a']"
    code = f"{head}\n{change}\n@extension('w')\n@capability(*C)\nclass W: ...\n"
    write(tmp_path, {"w.py": code})
    with pytest.raises(source.Unreadable):
        source.read(tmp_path / "w.py", tmp_path)

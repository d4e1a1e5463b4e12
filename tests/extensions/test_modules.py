"""Extensions import their own siblings by any name, and nobody else's; nothing of them is left in Python."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from gleitzeit_extensions.exceptions import ExtensionLoadError
from gleitzeit_extensions.extensions import loading
from gleitzeit_extensions.extensions.modules import PREFIX, Modules


def written(root: Path, **files: str) -> Path:
    """`root` with a file for each `directory__module`."""
    for name, text in files.items():
        path = root / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    return root


@pytest.fixture(autouse=True)
def _nothing_leaks() -> Iterator[None]:
    path, finders, modules = list(sys.path), list(sys.meta_path), set(sys.modules)
    yield
    leaked = set(sys.modules) - modules
    assert sys.path == path
    assert not leaked & {"a", "b", "late", "openai", "service", "sub", "utils", "vendor"}
    for finder in [one for one in sys.meta_path if isinstance(one, Modules) and one not in finders]:
        finder.forget()
    assert sys.meta_path == finders
    assert not [name for name in set(sys.modules) - modules if name.startswith(PREFIX)]


def service(directory: Path) -> Any:
    return Modules(directory).of_file(directory / "service.py")


def test_two_extensions_have_a_utils_each(tmp_path: Path) -> None:
    root = written(
        tmp_path,
        a__service="import utils",
        a__utils="WHOSE = 'a'",
        b__service="from utils import WHOSE",
        b__utils="WHOSE = 'b'",
    )

    assert service(root / "a").utils.WHOSE == "a"
    assert service(root / "b").WHOSE == "b"
    assert "utils" not in sys.modules


@pytest.mark.parametrize(
    "line",
    [
        "import utils",
        "import utils as utils",
        "from . import utils",
        "import sub.deep; utils = sub.deep.utils",
        "import sub.deep as deep; utils = deep.utils",
        "from sub.deep import utils",
        "from .sub.deep import utils",
        "from sub import deep; utils = deep.utils",
        "import a.utils; utils = a.utils",
        "from a.utils import WHOSE; from a import utils",
        "utils = __import__('utils')",
        "import importlib; utils = importlib.import_module('.utils', __package__)",
        "exec('import utils')",
    ],
)
def test_one_sibling_is_one_module_by_whatever_name(tmp_path: Path, line: str) -> None:
    root = written(tmp_path, a__service=line, a__utils="WHOSE = 'a'", a__sub__deep="import utils")
    modules = Modules(root / "a")

    found: Any = modules.of_file(root / "a" / "service.py")

    assert found.utils is modules.of_file(root / "a" / "utils.py")
    assert found.utils.WHOSE == "a"


def test_a_sibling_may_be_imported_late_and_is_still_the_own_one(tmp_path: Path) -> None:
    text = """
    class Service:
        def ask(self):
            import late
            from .late import WHOSE
            return late.WHOSE, WHOSE
    """
    root = written(tmp_path, a__service=text, a__late="WHOSE = 'a'", b__service=text, b__late="WHOSE = 'b'")

    services = [service(root / name).Service() for name in "ab"]

    assert [one.ask() for one in services] == [("a", "a"), ("b", "b")]


def test_a_module_does_not_shadow_the_package_that_it_is_called_after(tmp_path: Path) -> None:
    root = written(
        tmp_path,
        json="import gleitzeit_extensions, json",
        service="import gleitzeit_extensions, json",
        wave__service="import wave",
        a__service="import colorsys, utils",
        a__colorsys="import colorsys\nWHOSE = 'a'",
        a__utils="import colorsys",
    )

    assert Modules(root / "json.py").of_file(root / "json.py").json is sys.modules["json"]
    assert Modules(root / "service.py").of_file(root / "service.py").json is sys.modules["json"]
    assert service(root / "wave").wave is sys.modules["wave"]
    found = service(root / "a")
    assert found.colorsys is found.utils.colorsys
    assert found.colorsys.WHOSE == "a"
    assert found.colorsys.colorsys is sys.modules["colorsys"]


def test_single_files_share_what_lies_beside_them_and_are_apart(tmp_path: Path) -> None:
    root = written(
        tmp_path, **{"my.one": "import utils", "two": "from .utils import WHOSE", "utils": "WHOSE = []"}
    )

    one: Any = Modules(root / "my.one.py").of_file(root / "my.one.py")
    two: Any = Modules(root / "two.py").of_file(root / "two.py")

    assert one.utils.WHOSE == two.WHOSE == []
    assert one.utils.WHOSE is not two.WHOSE


def test_a_package_runs_its_init_and_a_directory_without_one_needs_none(tmp_path: Path) -> None:
    root = written(tmp_path, a__service="WHOSE = 'a'", b__service="")
    (root / "a" / "__init__.py").write_text("from .service import WHOSE")
    modules = Modules(root / "a")

    package: Any = modules.of_file(root / "a" / "__init__.py")

    assert package.WHOSE == "a"
    assert package.service is modules.of_file(root / "a" / "service.py")
    assert service(root / "b").__package__.endswith(".b")


@pytest.mark.parametrize("name", ["service", "a.service", "extensions.a.service"])
def test_a_class_path_may_be_written_from_further_up(tmp_path: Path, name: str) -> None:
    root = written(tmp_path / "extensions", a__service="")
    modules = Modules(root / "a")

    assert modules.named(name) is modules.of_file(root / "a" / "service.py")


def test_a_class_path_may_name_an_installed_module(tmp_path: Path) -> None:
    assert Modules(tmp_path).named("email.message") is sys.modules["email.message"]


def test_what_looks_into_classes_finds_theirs(tmp_path: Path) -> None:
    text = """
    from __future__ import annotations
    from dataclasses import dataclass

    @dataclass
    class Service:
        other: Other

    class Other: ...
    """
    found = service(written(tmp_path, a__service=text) / "a")

    assert typing.get_type_hints(found.Service) == {"other": found.Other}
    assert "other: Other" in inspect.getsource(found.Service)
    assert found.Service(1) == found.Service(1)


def test_a_missing_module_is_told_without_our_private_names(tmp_path: Path) -> None:
    modules = Modules(written(tmp_path, a__service="import utils.deep", a__utils="") / "a")

    with pytest.raises(ModuleNotFoundError) as caught:
        modules.named("service")

    assert modules.plain(str(caught.value)) == "No module named 'utils.deep'; 'utils' is not a package"


def test_what_importlib_does_not_find_beside_it_is_told_with_the_way_out(tmp_path: Path) -> None:
    text = "import importlib\nutils = importlib.import_module({})\n"
    written(tmp_path, a__service=text.format("'utils'"), a__utils="WHOSE = 'a'")
    written(tmp_path, b__service=text.format("'.utils', __package__"), b__utils="WHOSE = 'b'")

    with pytest.raises(ExtensionLoadError) as caught:
        loading.imported("a", "service", Modules(tmp_path / "a"))
    assert str(caught.value).endswith(
        "a/service.py:2: ModuleNotFoundError: No module named 'utils': write `import utils`, "
        'or import_module(".utils", __package__)'
    )
    assert loading.imported("b", "service", Modules(tmp_path / "b")).utils.WHOSE == "b"

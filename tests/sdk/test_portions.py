"""Our installed `providers` package and a user's own `providers/` directory, both importable."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.sdk.fake_hub import FakeHub
from tests.sdk.subjects import HOST, ROOT, a_child, order, write

pytestmark = pytest.mark.anyio

MINE = """
from providers.echo_provider import EchoProvider
class Mine(EchoProvider): ...
"""


@pytest.fixture(params=["with __init__.py", "without"])
def own(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A directory of the user's with a `providers/` in it."""
    (tmp_path / "providers").mkdir()
    if request.param == "with __init__.py":
        (tmp_path / "providers" / "__init__.py").write_text("HERE = True\n")
    write(tmp_path / "providers", mine=MINE)
    return tmp_path


@pytest.mark.parametrize("cls", ["providers.mine.Mine", "providers.echo_provider.EchoProvider"])
async def test_both_are_found(hub: FakeHub, own: Path, cls: str) -> None:
    async with a_child(*HOST, line=order(cls, own, hub)):
        assert (await hub.seen("register"))["models"] == ["echo"]


async def test_a_module_beside_them_finds_ours_too(hub: FakeHub, own: Path) -> None:
    write(
        own,
        beside="from providers.mine import Mine\nimport providers.calculator_provider\n",
    )
    async with a_child(*HOST, line=order("beside.Mine", own, hub)):
        await hub.seen("register")


async def test_packages_inside_are_found(hub: FakeHub, own: Path) -> None:
    (own / "providers" / "deep").mkdir()
    write(own / "providers" / "deep", __init__="", inner=MINE)
    async with a_child(*HOST, line=order("providers.deep.inner.Mine", own, hub)):
        await hub.seen("register")


async def test_the_same_module_in_two_places_is_refused_with_both_paths(own: Path) -> None:
    write(own / "providers", echo_provider="class EchoProvider(SocketIOProviderClient): ...\n")
    import providers

    async with a_child(*HOST, line=order("providers.mine.Mine", own)) as child:
        assert await child.ended() == 78
    ours = Path(providers.__path__[0]) / "echo_provider.py"
    theirs = own / "providers" / "echo_provider.py"
    both = f"providers.echo_provider is found twice: {theirs} and {ours}; rename one of them"
    assert both in child.text

    async with a_child(*HOST, line=order("providers.echo_provider.EchoProvider", own)) as child:
        assert await child.ended() == 78
    assert child.text == both


async def test_the_first_on_the_path_is_the_package_and_the_others_are_part_of_it(own: Path) -> None:
    code = (
        "import sys; from gleitzeit_extensions.loading import use_path; use_path(sys.argv[1:]); "
        "import providers as p; print(getattr(p, 'HERE', None), sys.path.count(sys.argv[1]), *p.__path__)"
    )
    async with a_child(sys.executable, "-c", code, str(own), str(own)) as child:
        assert await child.ended() == 0
    has_init = (own / "providers" / "__init__.py").exists()
    assert child.text == f"{has_init or None} 1 {own / 'providers'} {ROOT / 'providers'}"

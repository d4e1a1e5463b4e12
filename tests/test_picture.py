"""The picture in the README: small, of a fixed size, and with nothing in it that is only here."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from tests.ctl.test_monitor_model import THREE, told
from tools.picture_monitor import PICTURE, svg


def test_the_picture_is_small_and_names_no_place() -> None:
    text = PICTURE.read_text()

    assert len(text) < 100_000
    assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert set(re.findall(r"https?://[^ \"<)]+", text)) <= {
        "http://www.w3.org/2000/svg",
        "https://www.textualize.io",
    }
    assert re.search(r"/(tmp|home|root|work|run)/", text) is None


def test_its_size_does_not_hang_on_what_it_shows() -> None:
    def frame(text: str) -> str:
        return text.partition("\n")[0]

    assert frame(svg(told(*THREE))) == frame(svg(told(THREE[0], problems=["bad"])))

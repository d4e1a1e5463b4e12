"""How the bytes of a page become text."""

from __future__ import annotations

import pytest

from providers.web_charsets import text


@pytest.mark.parametrize(
    ("body", "content_type", "wanted"),
    [
        ("ü".encode(), "text/html", "ü"),
        ("ü".encode(), "text/html; charset=utf-8", "ü"),
        (b"\xfc", "text/html; charset=ISO-8859-1", "ü"),
        (b"\x80", "text/html; charset=latin1", "€"),
        (b"\xfc", "text/html", "ü"),
        ("ü€".encode()[:4], "text/html", "ü\ufffd"),
        (b"\xef\xbb\xbfa", "text/html; charset=koi8-r", "a"),
        (b"\xff\xfea\0", "", "a"),
        ("я".encode("cp1251"), 'text/html; charset="windows-1251"', "я"),
        (b'<meta charset="utf-16">a', "text/html", '<meta charset="utf-16">a'),
        (
            b'<?xml encoding="koi8-r"?>\xd1',
            "text/xml",
            '<?xml encoding="koi8-r"?>я',
        ),
        ("日".encode("shift_jis"), "text/html; charset=Shift_JIS", "日"),
        (b"+AGk-", "text/html; charset=utf-7", "+AGk-"),
        (b"\\u0061", "text/html; charset=unicode_escape", "\\u0061"),
        (b"xn--a", "text/html; charset=idna", "xn--a"),
        (b"a", "text/html; charset=zip", "a"),
        (b"a", "text/html; charset=no-such", "a"),
    ],
)
def test_text_is_decoded_as_a_browser_would(body: bytes, content_type: str, wanted: str) -> None:
    assert text(body, content_type) == wanted

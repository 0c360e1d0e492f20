"""What the sanitiser keeps, what it takes, what it says about it, and what it refuses to begin with.

That nothing of it runs or loads in a browser is proved in `tests/browser`.
"""

from __future__ import annotations

import time

import pytest
from selectolax.lexbor import LexborHTMLParser

from emailplus.mime.sanitise import MAX_HTML, Choice, sanitise, too_costly

from ..browser.hostile import CORPUS, body


def clean(html: str, **choice: object) -> str:
    return sanitise(html, Choice(**choice)).markup  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("html", "markup"),
    [
        ("<p>a<b>b</b></p>", "<p>a<b>b</b></p>"),
        ('<p align="center" style="color:#f00; margin : 4px">x</p>',
         '<p align="center" style="color:#f00;margin:4px">x</p>'),
        ("<font color=red face=Arial size=2>x</font>", '<font color="red" face="Arial" size="2">x</font>'),
        ("<table width=100% cellpadding=3><tr><td colspan=2 bgcolor=#eee>x</table>",
         '<table width="100%" cellpadding="3"><tbody><tr><td colspan="2" bgcolor="#eee">x</td></tr></tbody></table>'),
        ("<h1 class=x onclick=y>t</h1>", "<h1>t</h1>"),
        ("a<script>b</script>c<style>d</style>e<title>f</title>g", "aceg"),
        ("<p style='position:fixed;z-index:9;opacity:0;color:red'>x</p>", '<p style="color:red">x</p>'),
        ("<p style='background:url(x);width:100px;height:expression(1)'>x</p>", '<p style="width:100px">x</p>'),
        ("<p style='margin-left:-50px;padding:1px'>x</p>", '<p style="padding:1px">x</p>'),
        ("<p style='font-family:\"a;b\";color:blue'>x</p>", '<p style="color:blue">x</p>'),
        ("<p style='color:/**/red'>x</p>", "<p>x</p>"),
        ("<p style='c\\olor:red;color:r\\65 d'>x</p>", "<p>x</p>"),
        ("<a href='#top'>x</a><a name=top></a>", '<a href="#m-top" rel="noopener noreferrer">x</a>'
         '<a name="m-top" rel="noopener noreferrer"></a>'),
        ("<p id=header>x</p>", '<p id="m-header">x</p>'),
        ("<a href='relative/x'>r</a><a href='//x.example'>s</a>",
         '<a rel="noopener noreferrer">r</a><a rel="noopener noreferrer">s</a>'),
        ("<form action=x><input value=y>text</form>", "text"),
        ("<unknown>text</unknown>", "text"),
        ("&lt;script&gt;", "&lt;script&gt;"),
        ("<!-- hidden -->shown", "shown"),
    ],
)  # fmt: skip
def test_what_is_kept(html: str, markup: str) -> None:
    assert clean(html) == markup


@pytest.mark.parametrize("name", CORPUS)
def test_cleaning_twice_changes_nothing(name: str) -> None:
    once = sanitise(body(name, "http://x.example"), Choice())
    again = sanitise(once.markup, Choice())
    # Ids and anchors get their prefix once more; everything else stays.
    assert again.markup.replace("m-m-", "m-") == once.markup
    for node in LexborHTMLParser(once.markup).css("main *, body *"):
        assert node.tag not in (
            "script",
            "style",
            "iframe",
            "object",
            "embed",
            "svg",
            "math",
            "form",
            "link",
            "meta",
            "base",
        )
        for attribute, value in node.attributes.items():
            assert not attribute.lower().startswith("on")
            assert attribute not in ("srcset", "action", "background", "ping", "cite", "poster", "data")
            if attribute == "style":
                assert "url" not in (value or "").lower()
            if attribute in ("href", "src"):
                assert (value or "").startswith(("http://", "https://", "#m-", "data:image/png;base64,")), value
            if attribute == "src":
                assert (value or "").startswith("data:image/png;base64,")


def test_remote_pictures_are_listed_and_blocked() -> None:
    html = (
        '<img src="http://a.example/1.png" width=300 height=200 alt="One"><img src="https://a.example/2.png">'
        '<img src="https://t.example/x.gif" width="1" height="1"><img src="//t.example/open?u=7">'
        '<table background="http://a.example/back.png"><tr><td style="background:url(http://a.example/style.png)">x</table>'
    )
    safe = sanitise(html, Choice())
    assert "http" not in safe.markup
    assert '<img alt="One" width="300" height="200">' in safe.markup.replace(
        'width="300" height="200" alt="One"', 'alt="One" width="300" height="200"'
    )
    assert {(p.url, p.kind, p.tracking) for p in safe.pictures} == {
        ("http://a.example/1.png", "picture", False),
        ("https://a.example/2.png", "picture", False),
        ("https://t.example/x.gif", "picture", True),
        ("https://t.example/open?u=7", "picture", True),
        ("http://a.example/back.png", "background", False),
        ("http://a.example/style.png", "background", False),
    }
    shown = sanitise(html, Choice(pictures=True))
    assert [p.url for p in shown.pictures if p.shown] == ["http://a.example/1.png", "https://a.example/2.png"]
    assert shown.markup.count("src=") == 2
    assert "t.example" not in shown.markup


@pytest.mark.parametrize(
    ("tag", "tracking"),
    [
        ("<img src=http://x.example/a.png width=2 height=2>", True),
        ("<img src=http://x.example/a.png style='width:1px;height:1px'>", True),
        ("<img src=http://x.example/a.png style='display:none'>", True),
        ("<img src=http://x.example/a.png width=0>", True),
        ("<img src=http://x.example/wf/open?upn=abc>", True),
        ("<img src=http://x.example/wf/open.png width=600 height=90>", False),
        ("<img src=http://x.example/a.png width=600 height=2>", True),
        ("<img src=http://x.example/a.png width=100%>", False),
        ("<img src=http://x.example/a.png>", False),
    ],
)
def test_what_counts_as_tracking(tag: str, tracking: bool) -> None:
    assert [picture.tracking for picture in sanitise(tag, Choice()).pictures] == [tracking]


def test_inline_pictures() -> None:
    data = "data:image/png;base64,iVBORw0KGgo="
    safe = sanitise(
        f'<img src="cid:A@b"><img src="cid:missing"><img src="{data}"><img src="data:image/svg+xml;base64,PHN2Zz4=">'
        '<img src="data:text/html,x">',
        Choice(inline={"a@b": "data:image/gif;base64,R0lG"}),
    )
    assert safe.markup == f'<img src="data:image/gif;base64,R0lG"><img><img src="{data}"><img><img>'
    assert safe.used == {"a@b"}
    assert safe.pictures == []


def test_links_are_listed_and_rewritten() -> None:
    def rewrite(link: str) -> str | None:
        return None if "bad" in link else link.replace("https:", "mibrowsers:")

    safe = sanitise(
        "<a href='https://x.example/?a=1&amp;b=2'>x</a><a href='http://bad.example'>y</a>"
        "<a href='mailto:a@b.example'>z</a>"
        "<a href='HTTPS://x.example/\u202eevil'>u</a>",
        Choice(rewrite=rewrite),
    )
    assert 'href="mibrowsers://x.example/?a=1&amp;b=2"' in safe.markup
    assert 'href="mailto:a@b.example"' in safe.markup
    assert "bad.example" not in safe.markup
    assert [(link.url, link.target) for link in safe.links][:2] == [
        ("https://x.example/?a=1&b=2", "mibrowsers://x.example/?a=1&b=2"),
        ("http://bad.example", ""),
    ]


BIG = 2_000_000


@pytest.mark.parametrize(
    "piece",
    ["<b>", "<p>x", "<td>x", "<li>x", "<div>", "<table><tr><td>x", '<b title="</b>">', "<b></i>", "<a href=x>y", "<!--",
     '<a x="', "</p>", "<i></p></b></i>", "&amp;", "<", "</", "<rt>", "<option>", "<img src=http://x>", "<font><p>x",
     '<p style="color:red;', "<svg><p>", "<select><b>", "<math><mi>", "<button><p>", "<x-y>", "<![CDATA["],
)  # fmt: skip
def test_a_text_of_two_megabytes_costs_seconds_at_most(piece: str) -> None:
    began = time.process_time()
    sanitise(piece * (BIG // len(piece)), Choice())
    assert time.process_time() - began < 30


def test_what_costs_too_much_is_refused() -> None:
    for html, why in (
        ("<div>" * 1000, "nested deeper"),
        ('<b title="</b>">' * 1000, "nested deeper"),
        ("<b></i>" * 1000, "nested deeper"),
        ("<div " + " ".join(f"a{n}" for n in range(1000)) + ">", "attributes"),
        ('<div x="<a>" ' + 'y="<b c>" d ' * 1000 + ">", "attributes"),
        ("<p>" + "".join(f"<b a={n}>" for n in range(390)) + "<p>x" * 5000, "left open"),
    ):
        safe = sanitise(html, Choice())
        assert safe.markup == ""
        assert why in safe.problems[0], html[:50]
    assert too_costly("<div><p>" * 190 + "</div>" * 190) == ""
    assert too_costly("<p>x" * 100_000) == ""
    long = sanitise("a" * (MAX_HTML + 5), Choice())
    assert len(long.markup) == MAX_HTML
    assert "cut" in long.problems[0]

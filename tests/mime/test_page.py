"""Page and terminal: what stands around a message; that a message cannot reach it (in a browser: `tests/browser`)."""

from __future__ import annotations

from email.message import EmailMessage

import pytest

from emailplus.config.convert import WatermarkParameters
from emailplus.mime import page, terminal
from emailplus.mime.cards import ContactView
from emailplus.mime.page import Cell, Look, Watermark, natural_width, readable_size, render
from emailplus.mime.view import MessageView, from_body, read
from emailplus.model.message import BodyType


def seen(html: str = "<p>x</p>", **fields: str) -> MessageView:
    view = from_body(BodyType.HTML, html.encode())
    for name, value in fields.items():
        setattr(view, name, value)
    return view


def test_what_a_stranger_wrote_is_escaped_everywhere() -> None:
    evil = '"><script>x</script>'
    message = EmailMessage()
    message.set_content("x")
    message.add_attachment(b"x", "application", "x", filename=f"{evil}.txt")
    message.add_attachment(
        f"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:{evil}\r\nLOCATION:{evil}\r\nEND:VEVENT\r\n".encode(),
        "text",
        "calendar",
    )
    message.add_attachment(
        f"BEGIN:VCARD\r\nFN:{evil}\r\nTEL;TYPE={evil[2:8]}:{evil}\r\nEND:VCARD".encode(), "text", "vcard"
    )
    view = read(message.as_bytes())
    view.subject = view.sender = view.to = view.cc = evil
    view.problems.append(evil)
    cell = Cell(kind='x"y', title=evil, text=evil, colour='red;"')
    html = render(view, Look(cells=(cell,), watermark=Watermark(evil), unsafe=lambda _: True)).html
    assert "<script" not in html
    assert html.count("Content-Security-Policy") == 1
    assert "red;" not in html


def test_people_outside_are_marked() -> None:
    view = seen(sender="Eve <eve@evil.example>", to="a@example.com, b@evil.example")
    look = Look(unsafe=lambda address: address.endswith("evil.example"))
    html = render(view, look).html
    assert html.count('class="unsafe"') == 2
    lines = terminal.render(view, look).splitlines()
    assert lines[:2] == ["From: Eve <eve@evil.example> (outside)", "To: a@example.com, b@evil.example (outside)"]
    assert "outside" not in render(view).html.partition("<header>")[2]


def test_cells_in_their_order_and_the_rights_below_the_subject() -> None:
    cells = (Cell("classification", "SECRET"), Cell("rights", "Do Not Forward", "no forwarding"))
    html = render(seen(subject="S"), Look(cells=cells)).html
    assert html.index("SECRET") < html.index("<h1>") < html.index("Do Not Forward") < html.index("<main")
    lines = terminal.render(seen(subject="S"), Look(cells=cells)).splitlines()
    assert lines[0] == "SECRET"
    assert lines[lines.index("Subject: S") + 1] == "Do Not Forward: no forwarding"


@pytest.mark.parametrize(
    ("text", "parameters", "mark"),
    [
        (None, None, None),
        ("  ", WatermarkParameters(text_size=9), None),
        ("Secret", None, Watermark("Secret")),
        ("Secret", WatermarkParameters("#80FF0000", 30, 5, 6), Watermark("Secret", "#80FF0000", 30, 5, 6)),
        ("S", WatermarkParameters(text_size=0, horizontal_spacing=10_000), Watermark("S", size=1, horizontal=4000)),
    ],
)
def test_the_watermark_of_the_two_keys(
    text: str | None, parameters: WatermarkParameters | None, mark: Watermark | None
) -> None:
    assert Watermark.of(text, parameters) == mark


def test_the_watermark_is_drawn() -> None:
    html = render(seen(), Look(watermark=Watermark("Secret 7", "#80FF0102", 30, 40, 50))).html
    assert "rgb%28255%2C1%2C2%29" in html
    assert "fill-opacity%3D%220.502%22" in html
    assert "Secret%207" in html
    assert terminal.render(seen(), Look(watermark=Watermark("Secret 7"))).startswith("[Secret 7]\n")


def test_fit_to_width_goes_down_to_a_quarter() -> None:
    assert natural_width('<table width="600"><td width="50%" style="width:900px">') == 900
    fitted = render(seen('<table width="1000"><tr><td>x</table>'), Look(fit_to_width=True)).html
    assert ".fit{zoom:0.25}" in fitted
    assert ".fit{zoom:0.2}" not in fitted
    assert "zoom:" not in render(seen('<table width="1000"><tr><td>x</table>')).html
    assert "zoom:" not in render(seen("<p>narrow</p>"), Look(fit_to_width=True)).html


def test_rights_shape_the_page() -> None:
    html = render(seen(), Look(printable=False, copyable=False)).html
    assert "@media print{body{display:none}}" in html
    assert "user-select:none" in html
    assert "display:none" not in render(seen()).html.partition("@media print{.history")[0]


def test_text_only() -> None:
    view = seen("<p>Hello <img src=http://x.example/y.png></p>")
    html = render(view, Look(rich=False)).html
    assert "<img" not in html
    assert "Hello" in html
    assert render(view).body.blocked == 1


def test_notices_about_pictures() -> None:
    view = seen('<img src="http://x.example/a.png"><img src="http://t.example/p.gif" width=1>')
    html = render(view).html
    assert "1 picture not loaded" in html
    assert "1 tracking picture removed (t.example)" in html
    shown = render(view, Look(pictures=True)).html
    assert "not loaded" not in shown
    assert "img-src data: https: http:" in shown


def test_sizes() -> None:
    assert [readable_size(n) for n in (0, 1023, 1024, 10_240, 1_500_000, 5 << 30, 9 << 40)] == [
        "0 bytes", "1023 bytes", "1.0 KB", "10 KB", "1.4 MB", "5.0 GB", "9216 GB",
    ]  # fmt: skip


def test_nothing_drives_the_terminal() -> None:
    view = from_body(BodyType.PLAIN, b"a\x1b[31mred\x07\r\nb\xc2\x9b2J \xe2\x80\xaeevil")
    view.subject = "x\x1b]0;title\x07\ny"
    text = terminal.render(view)
    assert not set(text) & set("\x1b\x07\x9b\u202e\r")
    assert "Subject: x]0;title y" in text.splitlines()


def test_lines_are_wrapped_and_quotes_stay_quotes() -> None:
    view = from_body(BodyType.PLAIN, b"> " + b"word " * 30 + b"\nhttps://" + b"x" * 80)
    lines = terminal.render(view, width=40).splitlines()
    quoted = [line for line in lines if line.startswith(">")]
    assert len(quoted) > 3
    assert all(len(line) <= 40 for line in quoted)
    assert any(len(line) > 80 for line in lines)


def test_html_for_a_terminal_has_its_links() -> None:
    text = terminal.render(seen('<p>See <a href="https://x.example/y">this</a></p>'))
    assert "See this <https://x.example/y>" in text
    assert page.policy(False).count("'none'") >= 9


def test_a_terminal_says_what_the_page_says() -> None:
    html = (
        '<p><a href="http://x.example/a">link</a><img src="http://p.example/a.png" width="50" height="50">'
        '<img src="http://t.example/open?u=1" width="1" height="1"></p>'
    )
    message = seen(html, text="")
    message.text_is_written = False
    message.contacts = [ContactView("Dan", "Shop", "Seller", [("tel", "1")])]
    look = Look(rewrite=lambda link: link.replace("http:", "safe:"))
    lines, page = terminal.render(message, look), render(message, look).html
    for what in (
        "1 picture not loaded",
        "1 tracking picture removed (t.example)",
        "safe://x.example/a",
        "Shop",
        "Seller",
    ):
        assert what in lines, what
        assert what in page, what
    deep = seen("<div>" * 5000 + "x", text="x")
    assert render(deep).body.problems
    assert all(problem in terminal.render(deep) for problem in render(deep).body.problems)

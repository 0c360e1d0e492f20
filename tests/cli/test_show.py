"""`emailplus show` and `Reading`: what a person sees of a stored message, under the configuration in force."""

from __future__ import annotations

import json
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from emailplus.cli.app import app
from emailplus.config import AppConfig
from emailplus.errors import NotFound, UsageError
from emailplus.mailbox import Mailbox
from emailplus.model.changes import StoreContents, Wipe
from emailplus.model.message import Body
from emailplus.reading import Reading, remembered_config
from emailplus.store.store import Store
from tests.store.mail import KEY, attachment, message, new_store, window

REMOTE = '<p>See <a href="https://x.example/y">this</a> <img src="http://pics.example/a.png"></p>'


def html(text: str) -> dict[str, Any]:
    data = text.encode()
    return {"body": Body(2, data, len(data)), "body_state": "stored"}


def mime() -> dict[str, Any]:
    mail = EmailMessage()
    mail["Subject"], mail["From"] = "inner", "x@example.com"
    mail.set_content("from the MIME")
    mail.add_attachment(b"%PDF", "application", "pdf", filename="a.pdf")
    data = mail.as_bytes()
    return {"body": Body(4, data, len(data)), "body_state": "stored"}


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMAILPLUS_STORE_KEY", KEY.hex())
    with new_store(tmp_path / "mailbox.db") as store:
        window(store, added=[
            message("1", "Remote", to="alice@example.com, eve@evil.example", **html(REMOTE)),
            message("2", "Mime", attachments=[attachment("a.pdf", 4, state="stored")], **mime()),
            message("3", "Invited", text="Come", attachments=[
                attachment("i.ics", 60, content_type="text/calendar"),
                attachment("big.zip", 9, state="refused", reason="too big"),
            ]),
            message("4", "Missing", body=Body(1, b"", 99), body_state="failed", body_reason="gone"),
        ])  # fmt: skip
        ics = b"BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\nSUMMARY:Tea\nDTSTART:20270101T100000Z\nEND:VEVENT\n"
        number = store.database.scalar("SELECT id FROM attachments WHERE name = 'i.ics'")
        store.apply(StoreContents([(number, ics, "")]))
    return tmp_path / "mailbox.db"


def config(**pairs: str) -> AppConfig:
    keys = {
        "email_address": "alice@example.com", "email_device_id": "0123456789ABCDEF0123456789ABCDEF",
        "email_exchange_host": "mail.example.com", "email_exchange_username": "alice",
    }  # fmt: skip
    return AppConfig.load({**keys, **pairs})


def run(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["show", "--store", str(path), *arguments])


def test_for_a_terminal(path: Path) -> None:
    shown = run(path, "1")
    assert shown.exit_code == 0
    assert "Subject: Remote" in shown.stdout
    assert "See this <https://x.example/y>" in shown.stdout
    assert "from the MIME" in run(path, "2").stdout
    invited = run(path, "3").stdout
    assert "[Invitation: Tea]\n  When: 2027-01-01 10:00 (UTC)\n" in invited
    assert "'big.zip' is not here (refused): too big" in invited
    assert "the body is not here (failed): gone" in run(path, "4").stdout
    assert run(path, "99").exit_code == 1


def test_as_a_page(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    assert run(path, "1", "--html", str(target)).exit_code == 0
    page = target.read_text(encoding="utf-8")
    assert "1 picture not loaded" in page
    assert "pics.example" not in page
    assert target.stat().st_mode & 0o777 == 0o600
    assert run(path, "1", "--html", str(target), "--pictures").exit_code == 0
    assert 'src="http://pics.example/a.png"' in target.read_text(encoding="utf-8")
    assert "1 picture not loaded" in run(path, "1", "--html", "-").stdout
    assert run(path, "1", "--html", str(tmp_path / "no" / "page.html")).exit_code == 2
    assert sorted(item.name for item in tmp_path.glob(".page*")) == []


def test_pictures_from_now_on(path: Path) -> None:
    always = run(path, "1", "--html", "-", "--always-pictures", "message")
    assert "pics.example" in always.stdout
    assert "pics.example" in run(path, "1", "--html", "-").stdout
    assert "pics.example" not in run(path, "1", "--html", "-", "--no-pictures").stdout
    with Store.open(path, KEY) as store:
        reading = Reading(store)
        reading.show_pictures(1, show=False)
        assert reading.page(1).body.blocked == 1
        assert reading.show_pictures(1, of_sender=True) == "ann@example.com"
        assert reading.page(1).body.blocked == 0
        window(store, key="3", added=[message("5", sender="A <a@x.example>, B <b@x.example>", text="x")])
        with pytest.raises(UsageError, match="who sent it"):
            reading.show_pictures(5, of_sender=True)
        with pytest.raises(NotFound):
            reading.page(77)
        store.apply(Wipe(account_only=True))
        assert store.database.scalar("SELECT count(*) FROM pictures_shown") == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("--pictures",),
        ("--html", "-", "--json"),
        ("--attachment", "1", "--json"),
        ("--html", "-", "--always-pictures", "x"),
    ],
)
def test_what_does_not_go_together(path: Path, arguments: tuple[str, ...]) -> None:
    assert run(path, "1", *arguments).exit_code == 2


def test_json_and_attachments_as_before(path: Path) -> None:
    assert json.loads(run(path, "1", "--json").stdout)["html"] == REMOTE
    assert run(path, "2", "--attachment", "1").stdout_bytes == b"%PDF"


def test_attachments_inside_mime_have_the_numbers_of_the_store(path: Path) -> None:
    with Store.open(path, KEY) as store:
        (item,) = Reading(store).view(2).attachments
        assert (item.id, item.name, item.content()) == (1, "a.pdf", b"%PDF")


# -- the configuration in force


def page(path: Path, **pairs: str) -> str:
    with Mailbox.open(config(**pairs), store=path, key=KEY) as mailbox:
        return mailbox.page(1).html


def test_show_pictures_default(path: Path) -> None:
    assert "pics.example" not in page(path, show_pictures_default="false")
    with Mailbox.open(config(show_pictures_default="true"), store=path, key=KEY) as mailbox:
        assert "pics.example" in mailbox.page(1).html
        mailbox.settings.choose("show_pictures", False)
        assert "pics.example" not in mailbox.page(1).html
        assert "pics.example" in mailbox.page(1, pictures=True).html


def test_email_watermark(path: Path) -> None:
    assert 'class="watermark"' not in page(path)
    assert "TopSecret7" in page(path, email_watermark="TopSecret7")


def test_email_watermark_parameters(path: Path) -> None:
    plain = page(path, email_watermark="X")
    assert page(path, email_watermark="X", email_watermark_parameters="textSize=99") != plain
    assert "font-size%3D%2299%22" in page(path, email_watermark="X", email_watermark_parameters="textSize=99")


def test_fit_to_width(path: Path) -> None:
    with new_store(path.with_name("wide.db")) as store:
        window(store, added=[message("1", "Wide", **html('<table width="1000"><tr><td>x</table>'))])
    wide = path.with_name("wide.db")
    assert "zoom:0.25" not in page(wide)
    assert "zoom:0.25" in page(wide, enabled_features="fit_to_width")


def test_wkwebview_mail_viewer(path: Path) -> None:
    assert '<a href="mibrowsers://x.example/y"' in page(path)
    assert "<p>See" not in page(path, disabled_features="wkwebview_mail_viewer")
    assert "See this" in page(path, disabled_features="wkwebview_mail_viewer")


def test_email_safe_domains_mark_people(path: Path) -> None:
    assert page(path).count('class="unsafe"') == 1
    assert page(path, email_safe_domains="evil.example").count('class="unsafe"') == 2
    assert 'class="unsafe"' not in page(path, email_safe_domains="*")


def test_links_are_rewritten(path: Path) -> None:
    assert 'href="mibrowsers://x.example/y"' in page(path)
    assert 'href="https://x.example/y"' in page(path, allow_safari_browser="true")
    assert 'href="opera-https://x.example/y"' in page(path, email_url_scheme_https="opera-https")


def test_without_config_the_remembered_one_is_in_force(path: Path) -> None:
    given = config(
        email_watermark="Mark9", email_watermark_parameters="textColor=#80FF0000,textSize=12",
        show_pictures_default="true",
        email_safe_domains="*.evil.example,evil.example", enabled_features="fit_to_width", allow_safari_browser="true",
    )  # fmt: skip
    with Store.open(path, KEY) as store:
        assert remembered_config(store) is None
    with Mailbox.open(given, store=path, key=KEY) as mailbox:
        wanted = mailbox.page(1).html
    with Store.open(path, KEY) as store:
        assert Reading(store).page(1).html == wanted
        remembered = remembered_config(store)
        assert remembered is not None
        assert remembered.email_watermark_parameters == given.email_watermark_parameters
        assert remembered.enabled_features == given.enabled_features
    assert "Mark9" in run(path, "1").stdout


def test_the_verdict_on_a_signature_stands_above_the_message(path: Path) -> None:
    raw = (
        b"From: Ann Lee <ann@example.com>\r\nSubject: Signed\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/signed; protocol="application/pkcs7-signature"; boundary=b\r\n\r\n--b\r\n'
        b"Content-Type: text/plain\r\n\r\nsigned words\r\n--b\r\n"
        b"Content-Type: application/pkcs7-signature; name=smime.p7s\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--\r\n"
    )
    with Store.open(path, KEY) as store:
        signed = message(
            "9", "Signed", body=Body(4, raw, len(raw)), body_state="stored",
            message_class="IPM.Note.SMIME.MultipartSigned",
        )  # fmt: skip
        window(store, key="4", added=[signed])
        number = max(store.ids())
        page = Reading(store).page(number).html
        assert "signed words" in page
        assert 'class="cell security bad"' in page
        assert page.index('class="cell security') < page.index("<h1>")
        assert "signed words" in Reading(store).terminal(number)

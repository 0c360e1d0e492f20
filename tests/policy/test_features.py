"""`enabled_features` and `disabled_features`: what is on after both."""

from __future__ import annotations

import itertools

import pytest

from emailplus.policy.features import Features, is_smart_folder

from ..config.samples import load

NAMES = {
    "wkwebview_mail_viewer": "html_viewer", "richtext_email_support": "rich_text",
    "gmail_smart_folders": "smart_folders", "rms_support": "rights_management", "fit_to_width": "fit_to_width",
    "move_button": "confirm_moves", "local_cache_all": "caching", "attach_files": "attaching",
    "openin_compose": "open_into_mail", "document_viewer": "document_viewer",
}  # fmt: skip
ENABLING = list(NAMES)[:5]
DEFAULTS = {"wkwebview_mail_viewer", "richtext_email_support"}


def features(enabled: str = "", disabled: str = "") -> dict[str, bool]:
    found = Features.of(load(enabled_features=enabled, disabled_features=disabled))
    return {flag: getattr(found, name) for flag, name in NAMES.items()}


@pytest.mark.parametrize("given", list(itertools.chain(*(itertools.combinations(ENABLING, n) for n in range(6)))))
@pytest.mark.parametrize("taken", [None, *ENABLING])
def test_naming_a_flag_switches_no_other_off(given: tuple[str, ...], taken: str | None) -> None:
    found = features(" , ".join(given), taken or "")
    expected = (DEFAULTS | set(given)) - {taken}
    assert {flag for flag in ENABLING if found[flag]} == expected


@pytest.mark.parametrize(
    "taken", list(itertools.chain(*(itertools.combinations(list(NAMES)[5:], n) for n in range(6))))
)
def test_what_is_taken_away(taken: tuple[str, ...]) -> None:
    found = features(disabled=",".join(taken))
    assert {flag for flag in list(NAMES)[5:] if not found[flag]} == set(taken)


def test_a_semicolon_does_not_separate() -> None:
    assert not features("rms_support; fit_to_width")["rms_support"]
    assert features("rms_support , fit_to_width")["fit_to_width"]


@pytest.mark.parametrize(
    ("content", "screen", "scale"),
    [
        (800, 400, 0.5),
        (1600, 400, 0.25),
        (99_999, 400, 0.25),
        (400, 400, 1.0),
        (200, 400, 1.0),
        (0, 400, 1.0),
        (400, 0, 1.0),
    ],
)
def test_fit_to_width(content: float, screen: float, scale: float) -> None:
    """Scaled down to the width of the screen, never below 25 %, and never up."""
    assert Features.of(load(enabled_features="fit_to_width")).scale(content, screen) == scale
    assert Features.of(load()).scale(content, screen) == 1.0


@pytest.mark.parametrize(
    ("name", "parent", "smart"),
    [
        ("All Mail", "[Gmail]", True), ("spam", "[Google Mail]", True), ("Starred", "[Gmail]", True),
        ("All Mail", "", False), ("Spam", "Projects", False), ("Important", "[Gmail]", False),
    ],
)  # fmt: skip
def test_smart_folders_of_gmail(name: str, parent: str, smart: bool) -> None:
    assert is_smart_folder(name, parent) is smart

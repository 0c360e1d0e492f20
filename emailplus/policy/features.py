"""`enabled_features` and `disabled_features`, flag by flag.

    flag                     from                default  what follows
    wkwebview_mail_viewer    enabled_features    on       mail is shown as HTML; off: as text
    richtext_email_support   enabled_features    on       bold, italic and underline in new mail; off: plain text only
    gmail_smart_folders      enabled_features    off      Gmail's All mails, Spam and Starred are folders here
    rms_support              enabled_features    off      rights-managed mail is opened and composed
    fit_to_width             enabled_features    off      wide mail is scaled down, never below a quarter
    move_button              disabled_features   off      mail moves without a confirmation
    local_cache_all          disabled_features   off      nothing but ids is kept
    attach_files             disabled_features   off      nothing can be attached
    openin_compose           disabled_features   off      other apps cannot hand files over for a mail
    document_viewer          disabled_features   off      attachments are opened elsewhere, some kinds aside

What is on: the defaults, and what `enabled_features` names, less what `disabled_features` names; naming one flag
switches no other off (guide, table 2, "Miscellaneous"). The loader computes it; here each flag gets its meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..config import AppConfig

TEMPLATES: Final = 20
"""Rights templates that are offered (guide, "rms_support")."""
LEAST_SCALE: Final = 0.25

_GMAIL_ROOTS: Final = frozenset({"[gmail]", "[google mail]"})
_SMART: Final = frozenset({"all mail", "all mails", "spam", "starred"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What is on. Named after what is there, not after the flag that takes it away."""

    html_viewer: bool
    rich_text: bool
    smart_folders: bool
    rights_management: bool
    fit_to_width: bool
    confirm_moves: bool
    caching: bool
    attaching: bool
    open_into_mail: bool
    document_viewer: bool

    @classmethod
    def of(cls, config: AppConfig) -> Features:
        """The features of `config`."""
        on, off = config.enabled_features, config.disabled_features
        return cls(
            html_viewer="wkwebview_mail_viewer" in on,
            rich_text="richtext_email_support" in on,
            smart_folders="gmail_smart_folders" in on,
            rights_management="rms_support" in on,
            fit_to_width="fit_to_width" in on,
            confirm_moves="move_button" not in off,
            caching="local_cache_all" not in off,
            attaching="attach_files" not in off,
            open_into_mail="openin_compose" not in off,
            document_viewer="document_viewer" not in off,
        )

    def scale(self, content: float, screen: float) -> float:
        """How much to scale a mail `content` wide for a screen `screen` wide: 1.0 as it is, 0.25 the smallest."""
        if not self.fit_to_width or content <= screen or content <= 0 or screen <= 0:
            return 1.0
        return max(LEAST_SCALE, screen / content)


def is_smart_folder(name: str, parent: str) -> bool:
    """Whether a folder of this name, below `parent`, is one in which Gmail collects mail that lies elsewhere too."""
    return parent.strip().casefold() in _GMAIL_ROOTS and name.strip().casefold() in _SMART

"""The one decision about bodies: in which form and how much of one is asked for."""

from __future__ import annotations

from dataclasses import dataclass

INLINE_LIMIT = 256 * 1024
"""Bytes of a body that a Sync answer may carry itself; what is longer is fetched apart, into the spool. Bounds the
memory of one window (512 items) and the cost of a window that must be repeated."""


@dataclass(frozen=True, slots=True)
class BodyPreference:
    """One BodyPreference (MS-ASAIRS 2.2.2.12). `truncation_size` None asks for everything."""

    type: int
    truncation_size: int | None


@dataclass(frozen=True, slots=True)
class BodyRequest:
    """What a request says about bodies: one preference a type, best first, and MIMESupport (MS-ASCMD 2.2.3.110.4)."""

    preferences: tuple[BodyPreference, ...]
    mime_support: int
    rights: bool = False
    """Protected mail is to be opened by the server: RightsManagementSupport, from 14.1 on (MS-ASRM 2.2.2.15)."""

    def whole(self) -> BodyRequest:
        """The same forms without truncation, for a body fetched apart."""
        return BodyRequest(
            tuple(BodyPreference(p.type, None) for p in self.preferences), self.mime_support, self.rights
        )


@dataclass(frozen=True, slots=True)
class ContentPolicy:
    """Everything that decides about contents. Sizes in bytes, None: no limit.

    Keys: `email_max_body_size`, `email_max_attachment`, `always_fetch_mime`; the server's policy may tighten them.
    """

    max_body: int | None
    max_attachment: int | None
    always_fetch_mime: bool = False
    mime_for_headers: bool = False
    """MIME is asked for to see the header fields (classification markers): where it is too large, text will do."""
    attachments: bool = True
    """False: the server's policy forbids attachments (AttachmentsEnabled)."""
    html: bool = True
    """False: the server's policy allows plain text only (AllowHTMLEmail)."""
    rights: bool = False
    """Protected mail is opened by the server, and its licence kept (`enabled_features` = `rms_support`)."""

    def body_request(self, inline: int | None = None) -> BodyRequest:
        """The body preference of a Sync: MIME for everything, or HTML before plain text with MIME for S/MIME mail.

        MIMESupport 1 makes the server send S/MIME messages whole (MS-ASCMD 2.2.3.110.4), so that signatures survive.
        `inline` overrides `INLINE_LIMIT`.
        """
        cut = inline or INLINE_LIMIT
        if self.max_body is not None:
            cut = min(cut, self.max_body)
        if self.always_fetch_mime or self.mime_for_headers:
            # Alone: of several forms SOGo takes the last, and MIME is one that every server has.
            return BodyRequest((BodyPreference(4, cut),), 2, self.rights)
        return self.readable_request(cut)

    def readable_request(self, cut: int | None = None) -> BodyRequest:
        """Text instead of MIME: for a message whose MIME would carry an attachment that is refused."""
        forms = (2, 1) if self.html else (1,)
        preferences = [BodyPreference(form, cut) for form in forms]
        return BodyRequest((*preferences, BodyPreference(4, cut)), 1, self.rights)

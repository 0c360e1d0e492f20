"""A contact (MS-ASCNTC 2.2.2: namespaces Contacts and Contacts2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from .item import Item


@dataclass(frozen=True, slots=True)
class PostalAddress:
    """An address as the properties of a contact spell it; any part may be empty."""

    street: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    country: str = ""

    def __bool__(self) -> bool:
        return any((self.street, self.city, self.state, self.postal_code, self.country))


@dataclass(kw_only=True)
class Contact(Item):
    """A person or a company. Attributes are the properties of the class by their own names; texts default to ""."""

    item_class: ClassVar[str] = "Contacts"

    # -- names
    file_as: str = ""
    """How the entry is filed and shown; servers make one of the names where it is missing."""
    title: str = ""
    """Before the name: "Dr."."""
    first_name: str = ""
    middle_name: str = ""
    last_name: str = ""
    suffix: str = ""
    """Behind the name: "Jr."."""
    nick_name: str = ""
    yomi_first_name: str = ""
    """Phonetic forms (Japanese)."""
    yomi_last_name: str = ""
    yomi_company_name: str = ""
    alias: str = ""
    """From 14.0; only in the recipient information cache."""
    weighted_rank: int | None = None
    """From 14.0; only in the recipient information cache."""

    # -- work
    company_name: str = ""
    department: str = ""
    job_title: str = ""
    office_location: str = ""
    manager_name: str = ""
    assistant_name: str = ""
    account_name: str = ""
    customer_id: str = ""
    government_id: str = ""

    # -- addresses of the net, as received: plain, or ``"Name" <address>`` (`emailplus.model.message.addresses`)
    email1: str = ""
    email2: str = ""
    email3: str = ""
    im_address: str = ""
    im_address2: str = ""
    im_address3: str = ""
    web_page: str = ""

    # -- telephones
    business_phone: str = ""
    business2_phone: str = ""
    business_fax: str = ""
    company_main_phone: str = ""
    home_phone: str = ""
    home2_phone: str = ""
    home_fax: str = ""
    mobile_phone: str = ""
    car_phone: str = ""
    radio_phone: str = ""
    pager: str = ""
    assistant_phone: str = ""
    mms: str = ""

    # -- postal addresses; `address` gives one as a whole
    business_street: str = ""
    business_city: str = ""
    business_state: str = ""
    business_postal_code: str = ""
    business_country: str = ""
    home_street: str = ""
    home_city: str = ""
    home_state: str = ""
    home_postal_code: str = ""
    home_country: str = ""
    other_street: str = ""
    other_city: str = ""
    other_state: str = ""
    other_postal_code: str = ""
    other_country: str = ""

    # -- the person
    birthday: datetime | None = None
    """UTC, as the server gives it: midnight or a little off it. Of interest is the date."""
    anniversary: datetime | None = None
    spouse: str = ""
    children: tuple[str, ...] = ()
    picture: bytes | None = None
    """The picture file (mostly JPEG) byte for byte; None: no picture."""

    # -- local
    vip: bool = False
    """Marked as important on this device; ActiveSync has no such property."""

    def address(self, kind: str) -> PostalAddress:
        """The "business", "home" or "other" address."""
        names = ("street", "city", "state", "postal_code", "country")
        return PostalAddress(*(getattr(self, f"{kind}_{name}") for name in names))

    @property
    def emails(self) -> tuple[str, ...]:
        """The addresses that are there, in their order."""
        return tuple(filter(None, (self.email1, self.email2, self.email3)))

    @property
    def name(self) -> str:
        """What to call the entry: FileAs, else the names, else the company or the first address."""
        whole = " ".join(filter(None, (self.first_name, self.middle_name, self.last_name)))
        return self.file_as or whole or self.company_name or next(iter(self.emails), "")

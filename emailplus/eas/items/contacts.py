"""The Contacts class on the wire: one row a property (MS-ASCNTC 2.2.2)."""

from __future__ import annotations

from ...model.contact import Contact
from .body import ASBASE_BODY, NATIVE_BODY_TYPE
from .item_type import ItemType
from .values import (
    NEVER,
    Row,
    Table,
    read_base64,
    read_date,
    read_list,
    read_optional_integer,
    read_text,
    write_base64,
    write_date,
    write_integer,
    write_list,
    write_text,
)


def _text(tag: str, attribute: str) -> Row:
    return Row(tag, attribute, read_text, write_text)


TABLE = Table(
    (
        _text("Contacts:FileAs", "file_as"),
        _text("Contacts:Title", "title"),
        _text("Contacts:FirstName", "first_name"),
        _text("Contacts:MiddleName", "middle_name"),
        _text("Contacts:LastName", "last_name"),
        _text("Contacts:Suffix", "suffix"),
        _text("Contacts2:NickName", "nick_name"),
        _text("Contacts:YomiFirstName", "yomi_first_name"),
        _text("Contacts:YomiLastName", "yomi_last_name"),
        _text("Contacts:YomiCompanyName", "yomi_company_name"),
        _text("Contacts:CompanyName", "company_name"),
        _text("Contacts:Department", "department"),
        _text("Contacts:JobTitle", "job_title"),
        _text("Contacts:OfficeLocation", "office_location"),
        _text("Contacts2:ManagerName", "manager_name"),
        _text("Contacts:AssistantName", "assistant_name"),
        _text("Contacts2:AccountName", "account_name"),
        _text("Contacts2:CustomerId", "customer_id"),
        _text("Contacts2:GovernmentId", "government_id"),
        _text("Contacts:Email1Address", "email1"),
        _text("Contacts:Email2Address", "email2"),
        _text("Contacts:Email3Address", "email3"),
        _text("Contacts2:IMAddress", "im_address"),
        _text("Contacts2:IMAddress2", "im_address2"),
        _text("Contacts2:IMAddress3", "im_address3"),
        _text("Contacts:WebPage", "web_page"),
        _text("Contacts:BusinessPhoneNumber", "business_phone"),
        _text("Contacts:Business2PhoneNumber", "business2_phone"),
        _text("Contacts:BusinessFaxNumber", "business_fax"),
        _text("Contacts2:CompanyMainPhone", "company_main_phone"),
        _text("Contacts:HomePhoneNumber", "home_phone"),
        _text("Contacts:Home2PhoneNumber", "home2_phone"),
        _text("Contacts:HomeFaxNumber", "home_fax"),
        _text("Contacts:MobilePhoneNumber", "mobile_phone"),
        _text("Contacts:CarPhoneNumber", "car_phone"),
        _text("Contacts:RadioPhoneNumber", "radio_phone"),
        _text("Contacts:PagerNumber", "pager"),
        _text("Contacts:AssistantPhoneNumber", "assistant_phone"),
        _text("Contacts2:MMS", "mms"),
        _text("Contacts:BusinessAddressStreet", "business_street"),
        _text("Contacts:BusinessAddressCity", "business_city"),
        _text("Contacts:BusinessAddressState", "business_state"),
        _text("Contacts:BusinessAddressPostalCode", "business_postal_code"),
        _text("Contacts:BusinessAddressCountry", "business_country"),
        _text("Contacts:HomeAddressStreet", "home_street"),
        _text("Contacts:HomeAddressCity", "home_city"),
        _text("Contacts:HomeAddressState", "home_state"),
        _text("Contacts:HomeAddressPostalCode", "home_postal_code"),
        _text("Contacts:HomeAddressCountry", "home_country"),
        _text("Contacts:OtherAddressStreet", "other_street"),
        _text("Contacts:OtherAddressCity", "other_city"),
        _text("Contacts:OtherAddressState", "other_state"),
        _text("Contacts:OtherAddressPostalCode", "other_postal_code"),
        _text("Contacts:OtherAddressCountry", "other_country"),
        _text("Contacts:Spouse", "spouse"),
        Row("Contacts:Children", "children", read_list("Contacts:Child"), write_list("Contacts:Child")),
        Row("Contacts:Birthday", "birthday", read_date, write_date, empties_from=NEVER),
        Row("Contacts:Anniversary", "anniversary", read_date, write_date, empties_from=NEVER),
        Row("Contacts:Categories", "categories", read_list("Contacts:Category"), write_list("Contacts:Category")),
        # 48 KB of base64 at most (MS-ASCNTC_R381); ghosted, so that a change of a name does not send the picture again
        Row("Contacts:Picture", "picture", read_base64, write_base64, ghosted=True),
        # Only in the recipient information cache, from the server (MS-ASCNTC_R105)
        Row("Contacts:Alias", "alias", read_text, write_text, since=140, sent_until=0),
        Row("Contacts:WeightedRank", "weighted_rank", read_optional_integer, write_integer, since=140, sent_until=0),
        ASBASE_BODY,
        NATIVE_BODY_TYPE,
    )
)

CONTACTS = ItemType(
    "Contacts",
    Contact,
    TABLE,
    body_size=True,
    whole_by="file_as",
)

"""What the server keeps for the user: out-of-office replies, addresses, templates, the recovery password."""

from __future__ import annotations

from ...flow import Flow
from ...model.account import OutOfOffice, RightsTemplate, UserInformation
from ..commands import settings
from .ask import ask
from .session import Session


def out_of_office(session: Session, *, html: bool = False) -> Flow[OutOfOffice]:
    """The automatic reply as it is set."""
    request = settings.build_out_of_office(session.version, html=html)
    return (yield from ask(session, settings.NAME, request, settings.parse_out_of_office))


def set_out_of_office(session: Session, wanted: OutOfOffice) -> Flow[None]:
    """Set the automatic reply."""
    request = settings.build_set_out_of_office(wanted, session.version)
    yield from ask(session, settings.NAME, request, settings.parse_set_out_of_office)


def user_information(session: Session) -> Flow[UserInformation]:
    """The user's own addresses and accounts."""
    request = settings.build_user_information(session.version)
    return (yield from ask(session, settings.NAME, request, settings.parse_user_information))


def rights_templates(session: Session) -> Flow[list[RightsTemplate]]:
    """The templates a message can be protected with."""
    request = settings.build_rights_templates(session.version)
    return (yield from ask(session, settings.NAME, request, settings.parse_rights_templates))


def set_device_password(session: Session, password: str) -> Flow[None]:
    """Leave the recovery password of this device with the server; "" takes it back."""
    request = settings.build_device_password(password, session.version)
    yield from ask(session, settings.NAME, request, settings.parse_device_password)

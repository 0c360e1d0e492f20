"""A mailbox full of words that must not leave it, and the search for them."""

from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import quote

from ..flows.world import World, deliver, mail, noise

PASSWORD = "Kiefer+Zapfen/77"
SIGNING_PASSWORD = "Eichenblatt-91"
PUSH_TOKEN = "Haselnuss-Bearer-Token-0815"

CONTENT = (
    "Quartalszahlen", "Geheimsache", "Bilanzentwurf", "lohnliste", "Zahlungsplan", "Kuendigung", "Ulrike", "bob@",
    "alice", "Holunder", "Entwicklungsordner", "Projektname",
)  # fmt: skip
"""Of subjects, bodies, people, attachments' names and folders."""

KEYS: dict[str, Any] = {
    "allow_logging": "true",
    "email_password": PASSWORD,
    "email_max_attachment": "0.01",
    "email_max_body_size": "0.02",
    "notification_server_authorization": PUSH_TOKEN,
    "email_signing_certificate_MI_CERT_PW": SIGNING_PASSWORD,
}


def fill(world: World) -> None:
    """Mail of every fate: whole, refused for its size, unreadable, in a folder with a telling name."""
    box = world.alice
    box.create_folder("Entwicklungsordner 'Projektname' \"X\"")
    folder = "Entwicklungsordner 'Projektname' \"X\""
    deliver(box, mail("Quartalszahlen für Ulrike", "Geheimsache: Holunder\n"))
    deliver(box, mail('Bilanzentwurf\'s "Ende"', attachments=(("lohnliste Ulrike.xlsx", noise(30_000)),)))
    deliver(box, mail("Kuendigung", "Geheimsache\n" * 4000), folder=folder)
    deliver(box, mail("Zahlungsplan", attachments=(("Zahlungsplan.bin", noise(3_000, 4)),)), folder=folder)


def found_in(text: str, *, secrets: tuple[str, ...] = (PASSWORD, SIGNING_PASSWORD, PUSH_TOKEN)) -> list[str]:
    """Every planted word and secret that stands in `text`, in any of the forms in which they travel."""
    hits = [word for word in CONTENT if word.lower() in text.lower()]
    for secret in secrets:
        forms = {secret, quote(secret, safe=""), quote(secret), base64.b64encode(secret.encode()).decode()}
        forms |= {base64.b64encode(f"{user}:{secret}".encode()).decode() for user in ("alice", "alice@example.test")}
        hits += [form for form in forms if form in text]
    hits += re.findall(r"(?i)0123456789ABCDEF0123456789ABCDEF", text)
    return hits

"""The server under test, as its server.json describes it, and app configs for its users."""

from __future__ import annotations

import base64
import json
import re
import secrets
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from emailplus.config import AppConfig

KEY = bytes(range(32))
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True)
class User:
    email: str
    username: str
    password: str


@dataclass(frozen=True)
class Server:
    """A server.json: `eas_url` and `users` are needed; `eas_url_tls`, `ca_file`, `imap`, `versions` add tests."""

    document: dict[str, Any]

    @classmethod
    def read(cls, path: str) -> Server:
        return cls(json.loads(Path(path).read_text(encoding="utf-8")))

    @property
    def users(self) -> list[User]:
        return [User(row["email"], row["username"], row["password"]) for row in self.document["users"]]

    @property
    def imap(self) -> dict[str, Any] | None:
        return self.document.get("imap")

    @property
    def name(self) -> str:
        versions = self.document.get("versions") or {}
        if isinstance(versions, dict):
            return ", ".join(f"{name} {version}" for name, version in versions.items()) or "unnamed server"
        return str(self.document.get("name", "unnamed server"))

    @property
    def is_sogo(self) -> bool:
        return "sogo" in self.name.lower()

    def config(self, user: User, *, tls: bool = False, device: str = "", **keys: object) -> AppConfig:
        """An app config with a device of its own; periods 0 and limits 50 MB unless `keys` say otherwise.

        A value None leaves a key out, so that its default holds.
        """
        url = urlsplit(self.document["eas_url_tls" if tls else "eas_url"])
        values: dict[str, object] = {
            "email_address": user.email,
            "email_device_id": device or secrets.token_hex(14),
            "email_exchange_host": url.netloc,
            "email_exchange_username": user.username,
            "email_password": user.password,
            "email_ssl_required": url.scheme == "https",
            "email_max_sync_period": 0,
            "email_default_sync_period": 0,
            "email_max_body_size": 50,
            "email_max_attachment": 50,
            **keys,
        }
        return AppConfig.load({name: value for name, value in values.items() if value is not None})

    def root_certificate(self) -> str:
        """The certificate authority as `email_certificate_1` has it: base64 of DER."""
        pem = _PEM.search(Path(self.document["ca_file"]).read_text(encoding="ascii"))
        assert pem is not None, "ca_file holds no PEM certificate"
        return base64.b64encode(ssl.PEM_cert_to_DER_cert(pem[0])).decode("ascii")

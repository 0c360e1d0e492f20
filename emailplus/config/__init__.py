"""The app config: key table, loaders, variables, checks across keys."""

from __future__ import annotations

from .app_config import AppConfig, Partnership
from .build import UnknownKey
from .certificates import CertificateCheck, EscrowCertificate, RootCertificate
from .convert import WatermarkParameters
from .diff import ConfigDiff, Consequence, KeyChange
from .hosts import Host
from .keys import KEYS, Key
from .problems import Problem
from .secret import Secret
from .variables import Identity

__all__ = [
    "KEYS",
    "AppConfig",
    "CertificateCheck",
    "ConfigDiff",
    "Consequence",
    "EscrowCertificate",
    "Host",
    "Identity",
    "Key",
    "KeyChange",
    "Partnership",
    "Problem",
    "RootCertificate",
    "Secret",
    "UnknownKey",
    "WatermarkParameters",
]

"""The app config: key table, loaders, variables, checks across keys."""

from __future__ import annotations

from emailplus.config.app_config import AppConfig, Partnership
from emailplus.config.build import UnknownKey
from emailplus.config.certificates import CertificateCheck, EscrowCertificate, RootCertificate
from emailplus.config.convert import WatermarkParameters
from emailplus.config.diff import ConfigDiff, Consequence, KeyChange
from emailplus.config.hosts import Host
from emailplus.config.keys import KEYS, Key
from emailplus.config.problems import Problem
from emailplus.config.secret import Secret
from emailplus.config.variables import Identity

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

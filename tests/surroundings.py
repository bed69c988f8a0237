"""The variables of the environment that the package reads."""

from __future__ import annotations

import os

import pytest

from bitget_spot.sandbox import Sandbox


def forget_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave nothing of the environment's own."""
    for name in list(os.environ):
        if name.startswith("BITGET_"):
            monkeypatch.delenv(name)


def point_to(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what `python -m bitget_spot.sandbox` tells a client to set."""
    monkeypatch.setenv("BITGET_API_KEY", sandbox.api_key)
    monkeypatch.setenv("BITGET_SECRET_KEY", sandbox.secret_key)
    monkeypatch.setenv("BITGET_PASSPHRASE", sandbox.passphrase)
    monkeypatch.setenv("BITGET_API_BASE_URL", sandbox.url)

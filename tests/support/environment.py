"""The environment variables that the package reads."""

from __future__ import annotations

import os

import pytest

from bitget_spot.sandbox import Sandbox


def clear_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove every variable of the package from the environment."""
    for name in list(os.environ):
        if name.startswith("BITGET_"):
            monkeypatch.delenv(name)


def set_variables(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the variables that `python -m bitget_spot.sandbox` prints for a client."""
    monkeypatch.setenv("BITGET_API_KEY", sandbox.api_key)
    monkeypatch.setenv("BITGET_SECRET_KEY", sandbox.secret_key)
    monkeypatch.setenv("BITGET_PASSPHRASE", sandbox.passphrase)
    monkeypatch.setenv("BITGET_API_BASE_URL", sandbox.url)

"""The result of a command, and the types of the fixtures that run commands."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from attrs import frozen

from bitget_spot.sandbox import Sandbox


@frozen
class CommandResult:
    """The exit status of a command, and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The JSON object on stdout."""
        return json.loads(self.out)


Cli: TypeAlias = Callable[..., CommandResult]
StartSandbox: TypeAlias = Callable[..., Sandbox]
StartProcess: TypeAlias = Callable[..., subprocess.Popen[str]]
WriteOrdersFile: TypeAlias = Callable[[Sandbox, int], Path]

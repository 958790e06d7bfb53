"""A phone's control socket, which speaks QMP, the JSON protocol of QEMU (docs/control.md)."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any


class PhoneError(Exception):
    """What a phone could not do, in its own words."""


class Socket:
    """A connection to a phone."""

    #: Seconds in which a phone answers, beside the time that it was told to wait.
    PATIENCE = 60.0

    def __init__(self, path: Path) -> None:
        """Connects; OSError if nobody listens there."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(self.PATIENCE)
            self._socket.connect(str(path))
            self._lines = self._socket.makefile("rb")
            self._message()
        except BaseException:
            self._socket.close()
            raise
        self.execute("qmp_capabilities")

    def execute(self, command: str, wait: float = 0.0, **arguments: Any) -> Any:
        """Has a command done that may wait for so many seconds, and gives its answer; those that are None are left out.

        PhoneError if the phone refuses, or has ended.
        """
        given = {name: value for name, value in arguments.items() if value is not None}
        self._socket.settimeout(self.PATIENCE + wait)
        try:
            self._socket.sendall(json.dumps({"execute": command, "arguments": given}).encode() + b"\n")
            while "event" in (message := self._message()):
                pass
        except TimeoutError as error:
            raise PhoneError(f"{command}: the phone does not answer") from error
        except OSError as error:
            raise PhoneError(f"{command}: the phone has ended ({error})") from error
        if "error" in message:
            raise PhoneError(message["error"]["desc"])
        return message["return"]

    def shutdown(self) -> None:
        """Hangs up on a command that another thread waits for."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # The phone has hung up before.

    def close(self) -> None:
        """Hangs up."""
        self._socket.close()

    def _message(self) -> dict[str, Any]:
        line = self._lines.readline()
        if not line:
            raise ConnectionError("it hung up")
        message: dict[str, Any] = json.loads(line)
        return message

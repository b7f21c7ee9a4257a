"""Writing that fails: nothing half-written stays, the words are plain, and a place has one writer."""

from __future__ import annotations

import errno
import os
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearhead import disk
from clearhead.disk import append, failing, lock, replacing, unlock, write_text
from clearhead.errors import FolderError

fcntl = pytest.importorskip("fcntl")


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """The system takes no byte beyond this size of a file, as a disk that fills in the middle of a write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# Words


def said(error: OSError, path: Path, wanted: int | None = None) -> str:
    with pytest.raises(FolderError) as caught, failing(path, wanted):
        raise error
    return str(caught.value)


def test_a_full_disk_says_what_is_missing_and_how_to_go_on(tmp_path: Path) -> None:
    words = said(OSError(errno.ENOSPC, "No space left on device"), tmp_path / "f", 7_940_000)
    pattern = r"f: cannot be written: the disk is full \(7\.9 MB wanted, [\d.,]+ (MB|bytes) free\); what stood there is"
    assert re.search(pattern, words)
    assert words.endswith("\n  fix: free some space, then give the same command again, a training with --resume")
    assert "(812 bytes wanted, " in said(OSError(errno.ENOSPC, ""), tmp_path / "f", 812)


def test_a_quota_is_not_the_disks_free_space(tmp_path: Path) -> None:
    words = said(OSError(errno.EDQUOT, "Disk quota exceeded"), tmp_path / "f", 812)
    assert "the disk quota is used up (812 bytes wanted); what" in words


def test_a_place_that_is_gone_and_other_failures(tmp_path: Path) -> None:
    assert "removed or moved while it was written to" in said(FileNotFoundError(errno.ENOENT, ""), tmp_path / "f")
    assert "no more is known" in said(OSError(errno.ENOSPC, ""), tmp_path / "gone" / "f")
    read_only = OSError(errno.EROFS, "Read-only file system")
    assert "cannot be written: Read-only file system\n" in said(read_only, tmp_path / "f")


def test_space_is_given_back_before_it_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, there = tmp_path / "f", list[str]()
    usage = disk.shutil.disk_usage

    def seen(place: Path) -> object:
        there.extend(p.name for p in tmp_path.iterdir())
        return usage(place)

    monkeypatch.setattr(disk.shutil, "disk_usage", seen)
    with pytest.raises(FolderError, match="the disk is full"), replacing(path) as aside:
        aside.write_text("half of it")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert there == []


# Replacing


def listing(path: Path) -> list[str]:
    return sorted(str(p.relative_to(path)) for p in path.rglob("*") if p.is_file())


def test_a_block_that_ends_well_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    write_text(path, "old")
    with replacing(path) as aside:
        assert aside.parent == path.parent
        aside.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert listing(tmp_path) == ["deep/file.txt"]


@pytest.mark.parametrize("written", ["", "half of it"])
def test_a_block_that_raises_leaves_the_old_file(tmp_path: Path, written: str) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with pytest.raises(ValueError, match="mine"), replacing(path) as aside:
        if written:
            aside.write_text(written)
        raise ValueError("mine")
    assert path.read_text() == "old"
    assert listing(tmp_path) == ["file.txt"]


def test_a_write_that_fails_leaves_the_old_file_and_says_why(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with (
        pytest.raises(
            FolderError,
            match=r"file\.txt: cannot be written: the disk is full \(\S+ \S+ free\).*\n  fix: free some space",
        ),
        replacing(path) as aside,
    ):
        aside.write_text("half")
        raise OSError(28, "No space left on device")
    assert path.read_text() == "old"
    assert listing(tmp_path) == ["file.txt"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_disk_that_fails_at_the_end_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(*((os, "fsync") if call == "fsync" else (Path, "replace")), fail)
    with pytest.raises(FolderError, match="Input/output error"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert listing(tmp_path) == ["file.txt"]


def test_the_file_and_its_folder_are_synced_around_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, events = tmp_path / "file.txt", list[str]()
    fsync, replace = os.fsync, Path.replace

    def seen_fsync(descriptor: int) -> None:
        events.append(Path(f"/proc/self/fd/{descriptor}").readlink().name if Path("/proc/self/fd").exists() else "?")
        fsync(descriptor)

    def seen_replace(self: Path, target: Path) -> Path:
        events.append("renamed")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", seen_fsync)
    monkeypatch.setattr(Path, "replace", seen_replace)
    write_text(path, "new")
    assert len(events) == 3
    assert events[1] == "renamed"
    if events[0] != "?":
        assert events[0].endswith(".aside")
        assert events[2] == tmp_path.name


# Appending


@given(
    lines=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n")), max_size=4),
    fragment=st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=30),
    block=st.integers(1, 40),
)
def test_a_fragment_never_merges_with_a_later_line(lines: list[str], fragment: str, block: int) -> None:
    whole = "".join(f"{line}\n" for line in lines).encode()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "f"
        path.write_bytes(whole + fragment.encode())
        with FileIO(path, "a+") as file:
            assert disk._last_line_end(file, block) == len(whole)
            append(file, path, b"new\n")
        assert path.read_bytes() == whole + b"new\n"


def test_what_a_full_disk_took_of_a_line_is_cut_away(tmp_path: Path) -> None:
    path = tmp_path / "f"
    with FileIO(path, "a+") as file:
        append(file, path, b"one\n")
        with files_up_to(60), pytest.raises(FolderError, match=r"f: cannot be written: File too large\n  fix: "):
            append(file, path, b"x" * 100 + b"\n")
        assert path.read_bytes() == b"one\n"
        append(file, path, b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"


# Locks

HOLD = "import sys, time; from pathlib import Path; from clearhead.disk import lock; lock(Path(sys.argv[1])); print(); "


@contextmanager
def holder(path: Path, then: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds a lock, and what it does then."""
    process = subprocess.Popen([sys.executable, "-uc", HOLD + then, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_lock_names_its_holder_and_a_kill_gives_it_back(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with holder(path, "time.sleep(60)") as process:
        with pytest.raises(FolderError, match=rf"process {process.pid} on \S+ is training into.*\n  fix: wait until"):
            lock(path)
        process.kill()
        process.wait()
        assert path.exists()
        unlock(path, lock(path))
    assert not path.exists()


def test_a_lock_that_was_removed_meanwhile_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its holder takes the file away after another has opened it: the other must not hold a file without a name."""
    path, taken, calls = tmp_path / ".lock", disk.taken, list[int]()

    def removed_first(file: int) -> bool:
        calls.append(file)
        if len(calls) == 1:
            path.unlink()
        return taken(file)

    monkeypatch.setattr(disk, "taken", removed_first)
    file = lock(path)
    assert len(calls) == 2
    assert disk.is_at(file, path)
    unlock(path, file)


def test_where_there_are_no_locks_it_goes_on_with_a_remark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with pytest.warns(UserWarning, match=r"no lock is to be had here \(No locks available\)"):
        unlock(tmp_path / ".lock", lock(tmp_path / ".lock"))


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("old")
    (tmp_path / "link").symlink_to("there")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "there").read_text() == "new"
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(FolderError, match="a link that leads to itself"):
        write_text(tmp_path / "loop", "new")


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_no_file_takes_the_place_of_a_device(tmp_path: Path, kind: str) -> None:
    if kind == "pipe":
        os.mkfifo(place := tmp_path / "pipe")
    else:
        place = Path(os.devnull)  # for those who may write there it would be gone for every program
    before = place.stat()
    with pytest.raises(FolderError, match="a device or a pipe"):
        write_text(place, "x")
    assert (place.stat().st_mode, place.stat().st_ino) == (before.st_mode, before.st_ino)
    assert not list(tmp_path.glob(".*aside"))

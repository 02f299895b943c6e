"""An edit counts wholly or not at all, wherever it is interrupted."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from telltale.bundle import folder as durable
from telltale.bundle.archive import zip_bundle
from telltale.bundle.bundle import Bundle, write_bundle
from telltale.bundle.verify import verify_bundle
from telltale.errors import BundleError
from telltale.tasks import Threshold
from tiny_bundle import make_tiny_bundle, tiny_model, tiny_spec

NEW = {"left": Threshold(0.1, 0.9), "right": Threshold(0.2, 0.8)}


class Killed(BaseException):
    """Stands for kill -9: nothing catches it, and no clean-up runs after it."""


def killed_at(count: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, but the call of this number (from 0) does not happen."""
    calls = 0

    def run(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > count:
            raise Killed
        return function(*args, **kwargs)

    return run


@pytest.mark.parametrize("count", range(8))
@pytest.mark.parametrize("point", ["rename", "replace", "unlink", "write"])
def test_a_killed_edit_leaves_the_old_bundle_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str, count: int
) -> None:
    bundle = Bundle.open(make_tiny_bundle(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed_at(0, shutil.rmtree))  # a killed process cleans nothing up
        if point == "replace":
            patch.setattr(os, "replace", killed_at(count, os.replace))
        elif point == "write":
            patch.setattr(durable, "_write", killed_at(count, durable._write))
        else:
            patch.setattr(Path, point, killed_at(count, getattr(Path, point)))
        with pytest.raises(Killed):
            bundle.update(thresholds=NEW, licence="MIT")
    again = Bundle.open(bundle.path)
    assert again.spec.thresholds in (bundle.spec.thresholds, NEW)
    assert (again.spec.licence == "MIT") == (again.spec.thresholds == NEW)
    assert verify_bundle(bundle.path, threads=1).ok
    assert again.update(thresholds=NEW).spec.thresholds == NEW


@pytest.mark.parametrize("count", range(6))
def test_a_killed_replacement_leaves_the_old_bundle_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    path = make_tiny_bundle(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed_at(count, os.replace))
        patch.setattr(shutil, "rmtree", killed_at(0, shutil.rmtree))
        with pytest.raises(Killed):
            write_bundle(path, tiny_spec(("a", "b", "c")), {"model.onnx": tiny_model(("a", "b", "c"), 32, 24)})
    names = Bundle.open(path).task.names
    assert names == ("a", "b", "c")  # the replacement had counted before its first move
    assert not (path / "golden.npz").exists()


def test_a_replaced_bundle_keeps_no_file_of_the_old_one(tmp_path: Path) -> None:
    path = make_tiny_bundle(tmp_path)
    write_bundle(path, tiny_spec(("a",)), {"model.onnx": tiny_model(("a",), 32, 24)})
    assert {p.name for p in path.iterdir()} == {"bundle.json", "model.onnx", "README.md"}


def test_a_first_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "_write", killed_at(1, durable._write))
    with pytest.raises(Killed):
        make_tiny_bundle(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_clear_error_and_the_old_bundle_stands(tmp_path: Path) -> None:
    """A real refusal by the kernel: files of this process may not grow beyond a few bytes."""
    path = make_tiny_bundle(tmp_path)
    code = (
        "import resource, sys\n"
        "from telltale.bundle.bundle import Bundle\n"
        "from telltale.errors import BundleError\n"
        "bundle = Bundle.open(sys.argv[1])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))\n"
        "try: bundle.update(licence='MIT')\n"
        "except BundleError as error: print(error)\n"
    )
    env = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    out = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, env=env)
    assert "expected a folder to write to, got File too large" in out.stdout, out.stderr
    assert Bundle.open(path).spec.licence == "Apache-2.0"
    assert {p.name for p in path.iterdir()} == {"bundle.json", "model.onnx", "golden.npz", "README.md"}
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 100


def test_a_place_that_cannot_be_written_to_is_one_clear_error() -> None:
    with pytest.raises(BundleError, match="expected a place to write to"):
        make_tiny_bundle(Path("/proc"))


def test_a_read_only_bundle_still_opens(tmp_path: Path) -> None:
    path = make_tiny_bundle(tmp_path)
    for file in path.iterdir():
        file.chmod(0o444)
    path.chmod(0o555)
    try:
        assert verify_bundle(path, threads=1).ok
        if os.geteuid() != 0:  # root writes anywhere
            with pytest.raises(BundleError, match="folder to write to"):
                Bundle.open(path).update(licence="MIT")
    finally:
        path.chmod(0o755)


def test_two_edits_one_after_the_other_both_count(tmp_path: Path) -> None:
    path = make_tiny_bundle(tmp_path)
    Bundle.open(path).update(thresholds=NEW)
    Bundle.open(path).update(licence="MIT")
    assert (Bundle.open(path).spec.thresholds, Bundle.open(path).spec.licence) == (NEW, "MIT")


def test_a_zip_holds_the_bundle_and_is_the_same_each_time(tmp_path: Path) -> None:
    bundle = Bundle.open(make_tiny_bundle(tmp_path))
    first, second = zip_bundle(bundle, tmp_path / "a.zip"), zip_bundle(bundle, tmp_path / "b.zip")
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        archive.extractall(tmp_path / "out")
    assert Bundle.open(tmp_path / "out" / "tiny.telltale").spec == bundle.spec
    with pytest.raises(BundleError, match="place to write to"):
        zip_bundle(bundle, tmp_path / "no" / "such" / "folder.zip")


def test_the_card_follows_every_edit(tmp_path: Path) -> None:
    bundle = Bundle.open(make_tiny_bundle(tmp_path))
    bundle = bundle.update(thresholds=NEW, metrics={"headline": "It told everything."})
    card = Bundle.open(bundle.path).read("README.md").decode()
    assert "| left | 0.100 | 0.900 |" in card
    assert bundle.update(files={"README.md": b"mine"}).read("README.md") == b"mine"

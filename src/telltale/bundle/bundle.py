"""Read, write and edit a bundle: a folder `NAME.telltale` and its bundle.json. Knows no runtime."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from telltale.bundle import folder as durable
from telltale.bundle.card import model_card
from telltale.bundle.golden import Golden
from telltale.bundle.onnx_metadata import read_metadata, replace_metadata
from telltale.bundle.spec import CARD, GOLDEN, BundleSpec, FileInfo, check_name
from telltale.errors import BundleError
from telltale.tasks import Task

SPEC = "bundle.json"
SUFFIX = ".telltale"
METADATA_KEY = "telltale"
"""The ONNX metadata entry that holds `BundleSpec.essentials()`."""

RESTORE = "restore the bundle from a copy or export it again"


class Bundle:
    """An opened bundle. Immutable: an edit returns another one.

    path: the folder. spec: bundle.json. task: what it tells.
    """

    def __init__(self, path: Path, spec: BundleSpec) -> None:
        self.path = path
        self.spec = spec
        self.task: Task = spec.make_task()

    @classmethod
    def open(cls, path: str | PathLike[str], *, verify: bool = True, files: bool = True) -> Bundle:
        """Read bundle.json and check every file's size and SHA-256.

        verify=False: sizes only. files=False: look at no file but bundle.json.

        Finishes an edit that was interrupted. Raises BundleError naming what is missing, changed or does not fit.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise BundleError(
                str(path), expected=f"a bundle folder ({SUFFIX})", got="a file" if folder.exists() else "nothing there"
            )
        try:
            durable.finish(folder, last=SPEC)
        except OSError as error:
            raise BundleError(
                str(path),
                expected="to finish an edit that was interrupted",
                got=_reason(error),
                next="open it once where it can be written",
            ) from error
        text = _read_spec(folder)
        bundle = cls(folder, BundleSpec.from_json(text, f"{folder.name}/{SPEC}"))
        try:
            if files:
                bundle._check_files(contents=verify)
        except BundleError:
            if _read_spec(folder) == text:
                raise
            return cls.open(path, verify=verify, files=files)  # edited by another process meanwhile
        return bundle

    @classmethod
    def is_bundle(cls, path: str | PathLike[str]) -> bool:
        """Whether a folder has a bundle.json; says nothing of its health."""
        return (Path(path) / SPEC).is_file()

    def file(self, name: str) -> Path:
        """Where a file of the bundle lies. Raises BundleError when the bundle has none of this name."""
        if name not in self.spec.files:
            raise BundleError(
                f"{self.path.name}: {name}", expected=f"one of {', '.join(sorted(self.spec.files))}", got="no such file"
            )
        return self.path / name

    def read(self, name: str) -> bytes:
        """A file's bytes, checked against bundle.json. Raises BundleError."""
        path = self.file(name)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise BundleError(
                f"{self.path.name}/{name}", expected="a file", got=_reason(error), next=RESTORE
            ) from error
        self._check(name, len(data), hashlib.sha256(data).hexdigest())
        return data

    def golden(self) -> Golden:
        """The golden set. Raises BundleError when the bundle has none."""
        return Golden.from_bytes(self.read(GOLDEN), f"{self.path.name}/{GOLDEN}")

    def update(self, *, files: Mapping[str, Path | bytes] | None = None, **changes: Any) -> Bundle:
        """Change fields of bundle.json, and add or replace files; all at once or not at all.

        changes: fields of BundleSpec by name (`thresholds=`, `metrics=`, ...), but not `files`.
        The metadata inside the .onnx files, the model card and all hashes follow. Raises BundleError.
        """
        unknown = sorted(set(changes) - (set(BundleSpec.model_fields) - {"files", "format"}))
        if unknown:
            raise BundleError("bundle.update", expected="fields of bundle.json", got=", ".join(unknown))
        spec = BundleSpec.make({**self._fields(), **changes}, self.path.name)
        added = _read_all(files or {})
        stale = spec.essentials() != self.spec.essentials()
        models = {name: self.read(name) for name in spec.files if name.endswith(".onnx") and name not in added}
        new = _stamped(spec, {**(models if stale else {}), **added})
        if CARD in spec.files and CARD not in new:
            new[CARD] = model_card(spec).encode("utf-8", "replace")
        spec = _with_hashes(spec, new)
        try:
            durable.change(self.path, {**new, SPEC: spec.to_json().encode()}, last=SPEC)
        except OSError as error:
            raise BundleError(str(self.path), expected="a folder to write to", got=_reason(error)) from error
        return Bundle(self.path, spec)

    def _fields(self) -> dict[str, Any]:
        """The spec's fields as values, not as JSON."""
        return {name: getattr(self.spec, name) for name in BundleSpec.model_fields} | (self.spec.model_extra or {})

    def _check_files(self, *, contents: bool) -> None:
        root = self.path.resolve()
        for name, info in self.spec.files.items():
            path = self.path / name
            if not path.is_file():
                raise BundleError(f"{self.path.name}/{name}", expected="a file", got="none", next=RESTORE)
            if not path.resolve().is_relative_to(root):
                raise BundleError(
                    f"{self.path.name}/{name}", expected="a file inside the bundle", got="a link out of it"
                )
            if contents:
                self.read(name)
            elif path.stat().st_size != info.bytes:
                self._check(name, path.stat().st_size, info.sha256)

    def _check(self, name: str, size: int, sha256: str) -> None:
        info = self.spec.files[name]
        if size != info.bytes:
            raise BundleError(
                f"{self.path.name}/{name}", expected=f"{info.bytes} bytes", got=f"{size} bytes", next=RESTORE
            )
        if sha256 != info.sha256:
            raise BundleError(
                f"{self.path.name}/{name}",
                expected=f"SHA-256 {info.sha256[:12]}...",
                got=f"{sha256[:12]}...: the file was changed or damaged",
                next=RESTORE,
            )


def write_bundle(path: str | PathLike[str], spec: BundleSpec, files: Mapping[str, Path | bytes]) -> Bundle:
    """Write a bundle whole or not at all; one that is already there is replaced, and stands until then.

    files: name to contents (bytes, or a file to copy). Hashes, the metadata inside .onnx files and, where none is
    given, the model card are filled in.
    Raises BundleError.
    """
    folder = Path(path)
    check_place(folder)
    data = {CARD: model_card(spec).encode("utf-8", "replace"), **_stamped(spec, _read_all(files))}
    spec = _with_hashes(BundleSpec.make({**dict(spec), "files": {}}, folder.name), data)
    contents = {**data, SPEC: spec.to_json().encode()}
    try:
        if Bundle.is_bundle(folder):
            durable.change(folder, contents, last=SPEC, remove=_known_files(folder))
        else:
            folder.parent.mkdir(parents=True, exist_ok=True)
            durable.create(folder, contents)
    except OSError as error:
        raise BundleError(str(path), expected="a place to write to", got=_reason(error)) from error
    return Bundle(folder, spec)


def check_place(path: str | PathLike[str]) -> None:
    """Raises BundleError where a bundle could not be written without losing something else."""
    folder = Path(path)
    if Bundle.is_bundle(folder) or not folder.exists():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise BundleError(
            str(path), expected="a new folder or a bundle to replace", got="something else", next="choose another name"
        )


def spec_of_model(model: bytes, where: str) -> BundleSpec:
    """The spec inside a lone .onnx. Raises BundleError when it holds none."""
    try:
        essentials = read_metadata(model).get(METADATA_KEY)
    except (ValueError, UnicodeDecodeError) as error:
        raise BundleError(where, expected="an ONNX model", got=str(error)) from error
    if essentials is None:
        raise BundleError(
            where, expected="an ONNX model exported by telltale", got=f"no {METADATA_KEY!r} in its metadata"
        )
    return BundleSpec.from_json(essentials, where)


def _stamped(spec: BundleSpec, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files, each .onnx with the essentials in its metadata."""
    essentials = {METADATA_KEY: spec.essentials()}
    try:
        return {
            name: replace_metadata(data, essentials) if name.endswith(".onnx") else data for name, data in files.items()
        }
    except (ValueError, UnicodeDecodeError) as error:
        raise BundleError("bundle", expected="ONNX models in .onnx files", got=str(error)) from error


def _with_hashes(spec: BundleSpec, data: Mapping[str, bytes]) -> BundleSpec:
    """The spec, its `files` filled for this data; files it knew and that are not in `data` stay as they are."""
    infos = {name: FileInfo(sha256=hashlib.sha256(d).hexdigest(), bytes=len(d)) for name, d in data.items()}
    return spec.model_copy(update={"files": {**spec.files, **infos}})


def _read_all(files: Mapping[str, Path | bytes]) -> dict[str, bytes]:
    for name in files:
        try:
            check_name(name)
        except ValueError as error:
            raise BundleError("bundle", expected=str(error)) from error
    try:
        return {name: value if isinstance(value, bytes) else value.read_bytes() for name, value in files.items()}
    except OSError as error:
        raise BundleError("bundle", expected="files to copy", got=_reason(error)) from error


def _read_spec(folder: Path) -> bytes:
    try:
        return (folder / SPEC).read_bytes()
    except OSError as error:
        raise BundleError(str(folder), expected=f"a bundle with {SPEC}", got=_reason(error), next=RESTORE) from error


def _known_files(folder: Path) -> list[str]:
    """The files a bundle to be replaced names; none when its bundle.json is damaged."""
    try:
        return list(BundleSpec.from_json(_read_spec(folder)).files)
    except BundleError:
        return []


def _reason(error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"{reason} ({error.filename})" if error.filename else reason

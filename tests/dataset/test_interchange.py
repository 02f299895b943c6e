"""Data sets come in and go out with their labels, groups and splits; a bad file never stops them."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from small_pictures import fill, png
from telltale.dataset import Catalogue
from telltale.dataset.exporting import export_folder
from telltale.dataset.formats import format_cell, parse_cell, parse_map
from telltale.dataset.importing import ImportReport, import_folder
from telltale.errors import CatalogueError, ConfigError, Interrupted
from telltale.tasks import from_spec
from telltale.tasks.task import Json, Label


def write(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def said(catalogue: Catalogue) -> dict[str, dict[str, Json]]:
    """Labels by the name a picture was imported under."""
    return {e.meta["file"]: {n: label.value for n, label in e.labels.items()} for e in catalogue.examples()}


def label_files(root: Path, labels: Mapping[str, Mapping[str, Json]]) -> Path:
    for n, (name, values) in enumerate(labels.items()):
        write(root / "images" / f"{name}.png", png(n))
        write(root / "labels" / f"{name}.json", json.dumps(values))
    return root


# --- round trips ----------------------------------------------------------------------------------------------------

VALUES = st.one_of(
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(["open", "closed", "true", "1", "null", "NaN", '"', "a,b", "a;b", " x ", "", "a\nb", "a\u2028b"]),
)
NAMES = st.sampled_from(["hood", "front_left", "tür", "a b", "x=y", "open?"])
LABELS = st.dictionaries(NAMES, st.tuples(VALUES, st.one_of(st.none(), st.integers(0, 64 * 48))), max_size=4)
PICTURES = st.lists(
    st.tuples(LABELS, st.sampled_from(["a", "tile, 7", "slot/3", "ü ", '"q"']), st.sampled_from(["page", "cam, 1"])),
    min_size=1,
    max_size=4,
)


def state(catalogue: Catalogue) -> list[Any]:
    return [
        (e.sha256, e.group, e.split, e.source, {n: (type(v.value), v) for n, v in e.labels.items()}, e.meta)
        for e in catalogue.examples()
    ]


@pytest.mark.parametrize("kind", ["json", "csv"])
@given(pictures=PICTURES, split=st.sampled_from(["train", "calibration", "test", None]))
@settings(max_examples=25, deadline=None)
def test_what_goes_out_comes_back_equal(kind: Literal["json", "csv"], pictures: Any, split: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        with Catalogue.open(root / "a.db", root / "a") as first, Catalogue.open(root / "b.db", root / "b") as second:
            for n, (labels, group, source) in enumerate(pictures):
                image_id = first.add(png(n), suffix=".png", group=group, source=source, meta={"file": f"{n}", "k": [n]})
                for name, (value, visible_px) in labels.items():
                    first.label(image_id, name, value, who="ada", visible_px=visible_px)
            if split:
                first.set_splits(dict.fromkeys(first.groups(), split))
            assert export_folder(first, root / "out", format=kind).skipped == ()
            report = import_folder(root / "out", second)
            assert report.skipped == report.contradictions == ()
            assert state(second) == state(first)
            assert second.data_hash() == first.data_hash()


@given(VALUES)
@settings(max_examples=300)
def test_a_cell_gives_its_value_back(value: Json) -> None:
    back = parse_cell(format_cell(value))
    assert back == value
    assert type(back) is type(value)


def test_class_folders_go_out_and_come_back_with_their_splits(catalogue: Catalogue, tmp_path: Path) -> None:
    ids = fill(catalogue, 6, per_group=1)
    for n, image_id in enumerate(ids[:5]):
        catalogue.label(image_id, "class", ("cat", "dog")[n % 2], who="ada")
    catalogue.set_splits({f"g{n:03d}": ("train", "calibration", "test")[n % 3] for n in range(6)})
    report = export_folder(catalogue, tmp_path / "out", format="imagefolder")
    assert report.written == 5
    assert [skip.reason for skip in report.skipped] == ["no label 'class'"]
    with Catalogue.open(tmp_path / "b.db", tmp_path / "b") as second:
        import_folder(tmp_path / "out", second)
        for e in second.examples():
            (original,) = [o for o in catalogue.examples() if o.sha256 == e.sha256]
            assert e.split == original.split
            assert e.labels["class"].value == original.labels["class"].value


def test_states_go_out_as_class_folders_too(catalogue: Catalogue, tmp_path: Path) -> None:
    fill(catalogue, 4)
    export_folder(catalogue, tmp_path / "out", format="imagefolder", name="lit")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["lit_off", "lit_on"]
    with Catalogue.open(tmp_path / "b.db", tmp_path / "b") as second:
        import_folder(tmp_path / "out", second, class_map=parse_map("lit_on=lit:on,lit_off=lit:off"))
        before = {e.sha256: e.labels for e in catalogue.examples()}
        assert {e.sha256: e.labels for e in second.examples()} == before


def test_an_export_never_overwrites(catalogue: Catalogue, tmp_path: Path) -> None:
    fill(catalogue, 1)
    write(tmp_path / "out" / "mine.txt", "x")
    with pytest.raises(CatalogueError, match="new or empty folder"):
        export_folder(catalogue, tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_an_export_names_files_that_are_gone(catalogue: Catalogue, tmp_path: Path) -> None:
    fill(catalogue, 2)
    catalogue.examples()[0].path.unlink()
    report = export_folder(catalogue, tmp_path / "out", format="csv")
    assert report.written == 1
    assert "no such file" in report.skipped[0].reason
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".out")]


def test_a_label_named_like_a_column_is_refused(catalogue: Catalogue, tmp_path: Path) -> None:
    (image_id,) = fill(catalogue, 1)
    catalogue.label(image_id, "group", True, who="ada")
    with pytest.raises(CatalogueError, match="export as json"):
        export_folder(catalogue, tmp_path / "out", format="csv")
    assert not (tmp_path / "out").exists()
    export_folder(catalogue, tmp_path / "out", format="json")


# --- label files ----------------------------------------------------------------------------------------------------


def test_label_files_come_in(catalogue: Catalogue, tmp_path: Path) -> None:
    root = label_files(tmp_path / "set", {"a": {"hood": "open"}, "b": {"hood": "closed", "door": True}})
    report = import_folder(root, catalogue)
    assert (report.added, report.labels, report.skipped) == (2, 3, ())
    assert said(catalogue) == {"images/a.png": {"hood": "open"}, "images/b.png": {"hood": "closed", "door": True}}
    assert {entry.who for entry in catalogue.history()} == {"import"}


def test_every_bad_file_is_listed_and_the_rest_comes_in(catalogue: Catalogue, tmp_path: Path) -> None:
    root = label_files(tmp_path / "set", {name: {"hood": "open"} for name in "abcdefg"})
    write(root / "images" / "b.png", png(1)[:200])
    write(root / "images" / "c.png", b"")
    write(root / "labels" / "d.json", '{"hood": ')
    write(root / "labels" / "e.json", '["hood"]')
    write(root / "labels" / "f.json", '{"hood": ["open"], "door": "closed", "x": NaN}')
    write(root / "labels" / "g.json", '{"hood": {"is": "open"}, "door": "closed"}')
    write(root / "labels" / "orphan.json", "{}")
    write(root / "labels" / "yolo.txt", "0 1 1 1 1")
    write(root / "images" / ".DS_Store", b"x")
    report = import_folder(root, catalogue)
    reasons = {skip.file: skip.reason for skip in report.skipped}
    assert set(reasons) == {
        "images/b.png",
        "images/c.png",
        "labels/d.json",
        "labels/e.json",
        "labels/f.json",
        "images/g.png",
        "labels/orphan.json",
        "labels/yolo.txt",
    }
    assert "no bytes" in reasons["images/c.png"]
    assert "cut-off" in reasons["images/b.png"]
    assert "expected true, false, a number, a text or boxes" in reasons["images/g.png"]
    assert report.added == 2
    assert said(catalogue) == {"images/a.png": {"hood": "open"}, "images/g.png": {"door": "closed"}}
    assert any("skipped: images/b.png" in line for line in report.lines())


def test_values_that_the_task_cannot_take_are_left_out(catalogue: Catalogue, tmp_path: Path) -> None:
    root = label_files(tmp_path / "set", {"a": {"hood": "ajar", "other": "red"}, "b": {"hood": "open"}})
    task = from_spec({"kind": "states", "names": ["hood"]})
    report = import_folder(root, catalogue, task=task)
    assert [(skip.file, "ajar" in skip.reason) for skip in report.skipped] == [("images/a.png", True)]
    assert said(catalogue) == {"images/a.png": {"other": "red"}, "images/b.png": {"hood": "open"}}
    assert report.untold == ("other",)
    assert "kept, though the task does not tell them: other" in report.lines()


def test_importing_again_adds_nothing_and_respects_people(catalogue: Catalogue, tmp_path: Path) -> None:
    root = label_files(tmp_path / "set", {"a": {"hood": "open"}, "b": {"hood": "open"}})
    import_folder(root, catalogue)
    first = catalogue.examples()[0]
    catalogue.label(first.image_id, "hood", "closed", who="ada")
    journal = catalogue.history()
    again = import_folder(root, catalogue)
    assert (again.added, again.known, again.labels, again.kept) == (0, 2, 0, 1)
    assert catalogue.history() == journal
    forced = import_folder(root, catalogue, replace_labels=True)
    assert forced.labels == 1
    assert {tuple(labels.values()) for labels in said(catalogue).values()} == {("open",)}


def test_the_same_picture_labelled_twice_differently_is_unknown_and_listed(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    root = label_files(tmp_path / "set", {"a": {"hood": "open", "door": "open"}})
    write(root / "images" / "b.png", png(0))
    write(root / "labels" / "b.json", '{"hood": "closed", "door": "open", "trunk": "open"}')
    for _ in range(2):
        report = import_folder(root, catalogue)
        (contradiction,) = report.contradictions
        assert contradiction.file == "images/b.png"
        assert "the same picture as images/a.png, yet hood is closed" in contradiction.reason
        assert said(catalogue) == {"images/a.png": {"door": "open", "trunk": "open"}}
        assert len(catalogue.history()) == 4


# --- groups ---------------------------------------------------------------------------------------------------------


def combinations(root: Path) -> Path:
    names = ("hood", "left", "right")
    labels = {
        f"c{n}_view{view}": {name: ("open" if n >> bit & 1 else "closed") for bit, name in enumerate(names)}
        for n in range(8)
        for view in range(2)
    }
    return label_files(root, labels)


def test_the_combination_of_labels_is_the_group(catalogue: Catalogue, tmp_path: Path) -> None:
    import_folder(combinations(tmp_path / "set"), catalogue)
    assert len(catalogue.groups()) == 8
    assert catalogue.groups()["hood+right"] == 2
    assert "all off" in catalogue.groups()


def test_few_combinations_are_no_groups(catalogue: Catalogue, tmp_path: Path) -> None:
    labels: dict[str, dict[str, Json]] = {f"p{n}": {"lit": n % 2 == 0} for n in range(6)}
    import_folder(label_files(tmp_path / "set", labels), catalogue)
    assert len(catalogue.groups()) == 6


@pytest.mark.parametrize(
    ("group_by", "groups"),
    [
        (r"(c\d+)_", {f"c{n}": 2 for n in range(8)}),
        (r"view\d", {"view0": 8, "view1": 8}),
        (r"c(\d)_view(\d)", {f"{n}/{view}": 1 for n in range(8) for view in range(2)}),
        ("folder", {"images": 16}),
    ],
)
def test_a_pattern_on_the_name_is_the_group(
    catalogue: Catalogue, tmp_path: Path, group_by: str, groups: dict[str, int]
) -> None:
    import_folder(combinations(tmp_path / "set"), catalogue, group_by=group_by)
    assert catalogue.groups() == groups


@pytest.mark.parametrize("group_by", ["(unclosed", r"slot(\d+)"])
def test_a_pattern_that_is_none_or_fits_nothing_is_an_error(
    catalogue: Catalogue, tmp_path: Path, group_by: str
) -> None:
    with pytest.raises(ConfigError, match="group_by"):
        import_folder(combinations(tmp_path / "set"), catalogue, group_by=group_by)
    assert len(catalogue) == 0


# --- csv ------------------------------------------------------------------------------------------------------------


def table(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    for n in range(4):
        write(folder / "pics" / f"{n}.png", png(n))
    return write(folder / "labels.csv", text.encode(encoding))


def test_an_empty_cell_is_unknown(catalogue: Catalogue, tmp_path: Path) -> None:
    table(tmp_path, "file,group,split,hood,door\npics/0.png,a,train,open,\npics/1.png,b,val,,true\n")
    import_folder(tmp_path, catalogue)
    assert said(catalogue) == {"pics/0.png": {"hood": "open"}, "pics/1.png": {"door": True}}
    assert catalogue.splits() == {"a": "train", "b": "calibration"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_from_a_spreadsheet_is_read(
    catalogue: Catalogue, tmp_path: Path, delimiter: str, encoding: str
) -> None:
    text = "image,tür\r\npics/0.png,offen\r\n".replace(",", delimiter)
    import_folder(table(tmp_path, text, encoding), catalogue)
    assert said(catalogue) == {"pics/0.png": {"tür": "offen"}}


def test_a_column_may_be_the_group(catalogue: Catalogue, tmp_path: Path) -> None:
    import_folder(table(tmp_path, "file,tile,lit\npics/0.png,7,on\npics/1.png,7,off\n"), catalogue, group_by="tile")
    assert catalogue.groups() == {"7": 2}
    assert said(catalogue)["pics/0.png"] == {"lit": "on"}
    with pytest.raises(CatalogueError, match="a column 'nothing'"):
        import_folder(tmp_path, catalogue, group_by="nothing")


def test_bad_rows_are_listed_and_the_rest_comes_in(catalogue: Catalogue, tmp_path: Path) -> None:
    rows = [
        "file,group,split,meta,lit,lit:visible_px",
        "pics/0.png,a,train,,on,12",
        "pics/missing.png,a,train,,on,",
        ",a,train,,on,",
        "pics/1.png,b,holdout,,on,",
        "pics/2.png,b,test,{bad,on,",
        "pics/2.png,b,test,,on,many",
        "pics/3.png,c,test,,on,99999999",
        "pics/3.png,c,test,,on,1,extra",
        "",
    ]
    table(tmp_path, "\n".join(rows))
    report = import_folder(tmp_path, catalogue)
    assert len(report.skipped) == 7
    assert said(catalogue) == {"pics/0.png": {"lit": "on"}, "pics/1.png": {"lit": "on"}, "pics/3.png": {}}
    (first,) = [e for e in catalogue.examples() if e.meta["file"] == "pics/0.png"]
    assert first.labels["lit"] == Label("on", 12 / (64 * 48))
    assert catalogue.splits() == {"a": "train", "c": "test"}


def test_a_group_in_two_splits_is_left_open_and_listed(catalogue: Catalogue, tmp_path: Path) -> None:
    table(tmp_path, "file,group,split\npics/0.png,a,train\npics/1.png,a,test\npics/2.png,b,test\n")
    report = import_folder(tmp_path, catalogue)
    assert [skip.file for skip in report.skipped] == ["group a"]
    assert catalogue.splits() == {"b": "test"}


@pytest.mark.parametrize("text", ["", "hood,door\non,off\n", "file,a,a\n", "file\n", "\x00\x01"])
def test_a_table_without_pictures_is_one_clear_error(catalogue: Catalogue, tmp_path: Path, text: str) -> None:
    table(tmp_path, text)
    with pytest.raises(CatalogueError):
        import_folder(tmp_path / "labels.csv", catalogue)


def test_a_table_in_another_encoding_is_named(catalogue: Catalogue, tmp_path: Path) -> None:
    table(tmp_path, "file,tür\n", "latin-1")
    with pytest.raises(CatalogueError, match=r"labels\.csv: expected a CSV table in UTF-8"):
        import_folder(tmp_path, catalogue)


def test_an_exported_table_opens_in_a_spreadsheet(catalogue: Catalogue, tmp_path: Path) -> None:
    fill(catalogue, 2)
    export_folder(catalogue, tmp_path / "out", format="csv")
    with (tmp_path / "out" / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", "group", "split", "source", "meta", "lit"]
    assert {row["lit"] for row in rows} == {"true", "false"}
    assert all((tmp_path / "out" / row["file"]).is_file() for row in rows)


# --- class folders and plain pictures -------------------------------------------------------------------------------


def class_folders(root: Path) -> Path:
    for n, name in enumerate(["empty/a_1.png", "empty/b_2.png", "not_empty/c_1.png", "other/d_2.png"]):
        write(root / name, png(n))
    return root


def test_class_folders_become_states_by_a_map(catalogue: Catalogue, tmp_path: Path) -> None:
    report = import_folder(
        class_folders(tmp_path / "set"),
        catalogue,
        class_map=parse_map("not_empty=occupied:on, empty=occupied:off"),
        group_by=r"_(\d)",
    )
    assert said(catalogue) == {
        "empty/a_1.png": {"occupied": False},
        "empty/b_2.png": {"occupied": False},
        "not_empty/c_1.png": {"occupied": True},
    }
    assert [(skip.file, skip.reason) for skip in report.skipped] == [("other/d_2.png", "no --map for class 'other'")]
    assert catalogue.groups() == {"1": 2, "2": 1}


def test_class_folders_without_a_map_keep_the_class(catalogue: Catalogue, tmp_path: Path) -> None:
    import_folder(class_folders(tmp_path / "set"), catalogue)
    assert said(catalogue)["other/d_2.png"] == {"class": "other"}
    assert len(catalogue.groups()) == 4


def test_folders_named_as_splits_are_the_splits(catalogue: Catalogue, tmp_path: Path) -> None:
    for n, name in enumerate(["train/cat/0.png", "valid/dog/1.png", "test/cat/2.png"]):
        write(tmp_path / "set" / name, png(n))
    import_folder(tmp_path / "set", catalogue)
    assert {e.meta["file"]: e.split for e in catalogue.examples()} == {
        "train/cat/0.png": "train",
        "valid/dog/1.png": "calibration",
        "test/cat/2.png": "test",
    }
    assert {e.labels["class"].value for e in catalogue.examples()} == {"cat", "dog"}


def test_plain_pictures_come_in_unlabelled(catalogue: Catalogue, tmp_path: Path) -> None:
    for n in range(3):
        write(tmp_path / "set" / f"{n}.png", png(n))
    write(tmp_path / "set" / "notes.txt", "hello")
    report = import_folder(tmp_path / "set", catalogue)
    assert (report.added, report.labels) == (3, 0)
    assert [skip.file for skip in report.skipped] == ["notes.txt"]


def test_a_name_in_another_encoding_comes_in(catalogue: Catalogue, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (Path(str(folder)) / b"caf\xe9.png".decode("utf-8", "surrogateescape")).write_bytes(png(1))
    assert import_folder(folder, catalogue).added == 1
    assert catalogue.examples()[0].group == "caf\\xe9.png"


@pytest.mark.parametrize("text", ["", "a", "a=b", "a=:on", "=b:on", "a=b:on,c"])
def test_a_map_that_is_none_is_a_config_error(text: str) -> None:
    with pytest.raises(ConfigError, match="--map"):
        parse_map(text)


def test_a_map_may_give_a_class_two_labels() -> None:
    assert parse_map("a=x:on,a=y:off,b=x:3") == {"a": {"x": True, "y": False}, "b": {"x": 3}}


def test_nothing_to_import_is_one_clear_error(catalogue: Catalogue, tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", write(tmp_path / "a.zip", "x"), tmp_path / "empty"):
        if path.name == "empty":
            path.mkdir()
        with pytest.raises(CatalogueError, match=f"{path.name}: expected"):
            import_folder(path, catalogue)


class StopAfter:
    """Ctrl-C while the n-th picture is taken in."""

    def __init__(self, count: int) -> None:
        self.left = count

    def advance(self, count: int = 1, note: str = "") -> None:
        self.left -= count
        if self.left <= 0:
            raise KeyboardInterrupt


def test_an_interrupted_import_goes_on_where_it_stopped(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telltale.dataset.importing.BATCH", 4)
    root = combinations(tmp_path / "set")
    with pytest.raises(Interrupted, match="run it again"):
        import_folder(root, catalogue, progress=StopAfter(10))
    assert len(catalogue) == 8
    report: ImportReport = import_folder(root, catalogue)
    assert (report.added, report.known) == (8, 8)
    assert len(catalogue) == 16


@pytest.mark.real
def test_the_3d_car_set_comes_in_by_combination(shared: Path, catalogue: Catalogue) -> None:
    task = from_spec({"kind": "states", "names": ["front_left", "front_right", "rear_left", "rear_right", "hood"]})
    report = import_folder(shared / "car3d", catalogue, task=task)
    assert report.added + report.known == 160
    assert report.skipped == ()
    assert len(catalogue.groups()) == 32

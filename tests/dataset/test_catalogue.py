"""The catalogue keeps what was added and said, through crashes, second writers and damage."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from small_pictures import fill, png, scene
from telltale.dataset import Catalogue, NewImage, Said, store
from telltale.errors import CatalogueError, ImageError
from telltale.tasks.task import Label


def reopen(catalogue: Catalogue, *, readonly: bool = False) -> Catalogue:
    return Catalogue.open(catalogue.path, catalogue.images, readonly=readonly)


# --- pictures -------------------------------------------------------------------------------------------------------


def test_a_picture_is_kept_under_its_content_hash(catalogue: Catalogue) -> None:
    data = png(1)
    image_id = catalogue.add(data, suffix=".PNG", group="a", source="page", meta={"angle": 30})
    (example,) = catalogue.examples()
    assert example.image_id == image_id
    assert example.sha256 == hashlib.sha256(data).hexdigest()
    assert example.path.read_bytes() == data
    assert example.path.suffix == ".png"
    assert (example.width, example.height) == (64, 48)
    assert (example.group, example.split, example.source) == ("a", None, "page")
    assert example.meta == {"angle": 30}
    assert example.labels == {}


def test_the_same_bytes_again_change_nothing(catalogue: Catalogue) -> None:
    first = catalogue.add(png(1), suffix=".png", group="a", source="x")
    assert catalogue.add(png(1), suffix=".jpg", group="b", source="y") == first
    assert len(catalogue) == 1
    assert catalogue.groups() == {"a": 1}
    assert catalogue.find(hashlib.sha256(png(1)).hexdigest()) == first
    assert catalogue.find("0" * 64) is None


@pytest.mark.parametrize("data", [b"", b"no picture", png(1)[:300]])
def test_bytes_that_are_no_picture_are_refused(catalogue: Catalogue, data: bytes) -> None:
    with pytest.raises(ImageError):
        catalogue.add(data, suffix=".png", group="a", source="x")
    assert len(catalogue) == 0
    assert not list(catalogue.images.rglob("*.*"))


@pytest.mark.parametrize("suffix", ["png", ".p/ng", "", "./../x", ".verylong"])
def test_a_suffix_that_is_none_is_refused(catalogue: Catalogue, suffix: str) -> None:
    with pytest.raises(CatalogueError, match="suffix"):
        catalogue.add(png(1), suffix=suffix, group="a", source="x")


def test_meta_that_json_cannot_hold_is_refused(catalogue: Catalogue) -> None:
    for meta in ({"a": object()}, {"a": float("nan")}):
        with pytest.raises(CatalogueError, match="meta"):
            catalogue.add(png(1), suffix=".png", group="a", source="x", meta=meta)
    with pytest.raises(CatalogueError, match="group"):
        catalogue.add(png(1), suffix=".png", group="", source="x")


def test_decoded_pixels_save_decoding_again(catalogue: Catalogue) -> None:
    with_pixels = catalogue.add(png(1), suffix=".png", group="a", source="x", pixels=scene(1))
    decoded = catalogue.add(png(2), suffix=".png", group="a", source="x")
    by_id = {e.image_id: e for e in catalogue.examples()}
    other = Catalogue.open(catalogue.path.parent / "other.db", catalogue.images)
    with other:
        other.add(png(1), suffix=".png", group="a", source="x")
        assert other.examples()[0].near == by_id[with_pixels].near != by_id[decoded].near


def test_examples_come_in_the_order_of_their_content(catalogue: Catalogue) -> None:
    fill(catalogue, 9)
    hashes = [example.sha256 for example in catalogue.examples()]
    assert hashes == sorted(hashes)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("in the way")
    with Catalogue.open(tmp_path / "c.db", tmp_path / "images") as catalogue:
        with pytest.raises(CatalogueError, match=r"images/.*room and permission to keep a picture"):
            catalogue.add(png(1), suffix=".png", group="a", source="x")
        assert len(catalogue) == 0


def test_add_many_adds_all_or_none(catalogue: Catalogue) -> None:
    good = NewImage(png(1), ".png", "a", "x", labels={"lit": Said(True, 7)}, who="ada")
    with pytest.raises(ImageError):
        catalogue.add_many([good, NewImage(b"bad", ".png", "a", "x")])
    assert len(catalogue) == 0
    (image_id,) = catalogue.add_many([good])
    assert catalogue.examples()[0].labels == {"lit": Label(True, 7 / (64 * 48))}
    assert catalogue.history(image_id)[0].who == "ada"


# --- labels ---------------------------------------------------------------------------------------------------------


def test_the_newest_word_wins_and_undo_brings_back_the_one_before(catalogue: Catalogue) -> None:
    (image_id,) = fill(catalogue, 1)
    catalogue.label(image_id, "lit", False, who="bob")
    catalogue.label(image_id, "lit", True, who="eve")
    assert catalogue.examples()[0].labels["lit"].value is True
    catalogue.undo(image_id, "lit")
    assert catalogue.examples()[0].labels["lit"].value is False
    catalogue.undo(image_id, "lit")
    assert catalogue.examples()[0].labels["lit"].value is True  # ada's
    catalogue.undo(image_id, "lit")
    assert "lit" not in catalogue.examples()[0].labels
    with pytest.raises(CatalogueError, match="undo"):
        catalogue.undo(image_id, "lit")
    assert [(e.who, e.undone) for e in catalogue.history(image_id)] == [("ada", True), ("bob", True), ("eve", True)]


def test_a_label_of_none_says_unknown_again(catalogue: Catalogue) -> None:
    (image_id,) = fill(catalogue, 1)
    catalogue.label(image_id, "lit", None, who="bob")
    assert catalogue.examples()[0].labels == {}
    catalogue.undo(image_id, "lit")
    assert catalogue.examples()[0].labels["lit"].value is True


@given(st.lists(st.one_of(st.booleans(), st.none(), st.just("undo")), max_size=12))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_journal_is_a_stack_of_words(catalogue: Catalogue, words: list[Any]) -> None:
    image_id = catalogue.add(png(0), suffix=".png", group="a", source="x")
    name = f"n{len(catalogue.history())}"
    stack: list[Any] = []
    for word in words:
        if word != "undo":
            catalogue.label(image_id, name, word, who="ada")
            stack.append(word)
        elif stack:
            catalogue.undo(image_id, name)
            stack.pop()
    labels = catalogue.examples()[0].labels
    assert (labels[name].value if name in labels else None) == (stack[-1] if stack else None)


def test_visible_pixels_become_a_share_of_the_picture(catalogue: Catalogue) -> None:
    (image_id,) = fill(catalogue, 1)
    catalogue.label(image_id, "door", True, who="ada", visible_px=64 * 48 // 4)
    assert catalogue.examples()[0].labels["door"] == Label(True, 0.25)
    assert catalogue.examples()[0].labels["lit"].visible is None
    for wrong in (-1, 64 * 48 + 1):
        with pytest.raises(CatalogueError, match="visible pixels"):
            catalogue.label(image_id, "door", True, who="ada", visible_px=wrong)


@pytest.mark.parametrize("value", [[1], {"a": 1}, object(), float("nan"), float("inf")])
def test_a_value_that_is_none_of_the_kinds_is_refused(catalogue: Catalogue, value: Any) -> None:
    (image_id,) = fill(catalogue, 1)
    with pytest.raises(CatalogueError, match="label 'door'"):
        catalogue.label(image_id, "door", value, who="ada")
    assert "door" not in catalogue.examples()[0].labels


def test_a_label_needs_a_picture_a_name_and_a_speaker(catalogue: Catalogue) -> None:
    (image_id,) = fill(catalogue, 1)
    for wrong in ((99, "lit", "ada"), (image_id, "", "ada"), (image_id, "lit", "")):
        with pytest.raises(CatalogueError):
            catalogue.label(wrong[0], wrong[1], True, who=wrong[2])


def test_nobody_can_rewrite_the_journal(catalogue: Catalogue) -> None:
    fill(catalogue, 1)
    with sqlite3.connect(catalogue.path) as raw:
        for statement in ("UPDATE label SET value = 'false'", "DELETE FROM label"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                raw.execute(statement)
    raw.close()


def test_label_counts_count_what_stands_now(catalogue: Catalogue) -> None:
    ids = fill(catalogue, 5)
    catalogue.label(ids[0], "lit", False, who="bob")
    catalogue.label(ids[1], "lit", None, who="bob")
    assert catalogue.label_counts() == {"lit": {"false": 2, "true": 2}}


# --- groups and splits ----------------------------------------------------------------------------------------------


def test_a_picture_has_the_split_of_its_group(catalogue: Catalogue) -> None:
    fill(catalogue, 6)
    catalogue.set_splits({"g000": "train", "g001": "test"})
    assert {e.group: e.split for e in catalogue.examples()} == {"g000": "train", "g001": "test", "g002": None}
    assert {e.group for e in catalogue.examples("test")} == {"g001"}
    assert catalogue.splits() == {"g000": "train", "g001": "test"}
    catalogue.set_splits({"g001": "calibration"})
    assert catalogue.splits() == {"g000": "train", "g001": "calibration"}


def test_a_split_or_group_that_is_none_is_refused(catalogue: Catalogue) -> None:
    fill(catalogue, 2)
    with pytest.raises(CatalogueError, match="train or calibration or test, got 'val'"):
        catalogue.set_splits({"g000": "val"})
    with pytest.raises(CatalogueError, match="got 'nobody'"):
        catalogue.set_splits({"nobody": "train"})
    assert catalogue.splits() == {}


def test_joined_groups_share_a_split(catalogue: Catalogue) -> None:
    fill(catalogue, 4)
    catalogue.set_splits({"g000": "train", "g001": "test"})
    catalogue.merge_groups({"g001": "g000"})
    assert catalogue.groups() == {"g000": 4}
    assert catalogue.splits() == {"g000": "train"}
    with pytest.raises(CatalogueError):
        catalogue.merge_groups({"nobody": "g000"})


# --- hash and files -------------------------------------------------------------------------------------------------


def test_the_data_hash_tells_what_was_learnt_from_and_not_how_it_came(tmp_path: Path) -> None:
    hashes = []
    for order in ([0, 1, 2], [2, 0, 1]):
        with Catalogue.open(tmp_path / f"{order[0]}.db", tmp_path / "images") as catalogue:
            for n in order:
                image_id = catalogue.add(png(n), suffix=".png", group="g", source=str(order))
                catalogue.label(image_id, "lit", n > 0, who=str(order))
            hashes.append(catalogue.data_hash())
            catalogue.label(image_id, "other", True, who="ada")
            assert catalogue.data_hash() != hashes[-1]
            catalogue.undo(image_id, "other")
            assert catalogue.data_hash() == hashes[-1]
            catalogue.set_splits({"g": "train"})
            assert catalogue.data_hash() != hashes[-1]
    assert hashes[0] == hashes[1]


def test_verify_names_missing_and_changed_files(catalogue: Catalogue) -> None:
    fill(catalogue, 3)
    first, second, _ = catalogue.examples()
    assert catalogue.verify() == []
    first.path.unlink()
    second.path.write_bytes(b"x")
    assert catalogue.verify() == [f"{first.path}: missing", f"{second.path}: changed since it was added"]


# --- opening, damage, backups ---------------------------------------------------------------------------------------


def test_a_readonly_catalogue_reads_and_refuses_to_write(catalogue: Catalogue) -> None:
    ids = fill(catalogue, 2)
    with reopen(catalogue, readonly=True) as reader:
        assert len(reader.examples()) == 2
        for write in (
            lambda: reader.label(ids[0], "lit", True, who="ada"),
            lambda: reader.add(png(9), suffix=".png", group="a", source="x"),
            lambda: reader.undo(ids[0], "lit"),
            lambda: reader.set_splits({}),
        ):
            with pytest.raises(CatalogueError, match="readonly"):
                write()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_readonly_folder_can_be_read(catalogue: Catalogue) -> None:
    fill(catalogue, 2)
    catalogue.close()
    catalogue.path.parent.chmod(0o555)
    try:
        with reopen(catalogue, readonly=True) as reader:
            assert len(reader) == 2
    finally:
        catalogue.path.parent.chmod(0o755)


def test_a_missing_catalogue_is_made_or_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"none\.db: expected a catalogue, got no file"):
        Catalogue.open(tmp_path / "none.db", tmp_path, readonly=True)
    with pytest.raises(CatalogueError, match="got a folder"):
        Catalogue.open(tmp_path, tmp_path)
    with Catalogue.open(tmp_path / "new" / "deep.db", tmp_path) as made:
        assert made.examples() == []


def test_a_newer_version_is_refused(catalogue: Catalogue) -> None:
    catalogue.close()
    with sqlite3.connect(catalogue.path) as raw:
        raw.execute("PRAGMA user_version = 99")
    raw.close()
    with pytest.raises(CatalogueError, match="version 99, written by a newer telltale; update telltale"):
        reopen(catalogue)


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "x.db") as raw:
        raw.execute("CREATE TABLE image (a)")
    raw.close()
    with pytest.raises(CatalogueError, match="another program's SQLite file"):
        Catalogue.open(tmp_path / "x.db", tmp_path)


def with_backup(catalogue: Catalogue) -> Path:
    """Two sessions, so that there is a backup of the first."""
    fill(catalogue, 3)
    catalogue.close()
    with reopen(catalogue) as again:
        again.label(1, "lit", False, who="bob")
    (backup,) = store.backups(catalogue.path)
    return backup


@pytest.mark.parametrize("damage", ["text", "zero", "cut", "header", "middle"])
@pytest.mark.parametrize("readonly", [False, True])
def test_a_damaged_file_is_named_with_the_backup_and_left_as_it_is(
    catalogue: Catalogue, damage: str, readonly: bool
) -> None:
    backup = with_backup(catalogue)
    whole = catalogue.path.read_bytes()
    damaged = {
        "text": b"this was a database once",
        "zero": b"",
        "cut": whole[: len(whole) // 2],
        "header": b"\0" * 100 + whole[100:],
        "middle": whole[:4096] + bytes(255 - b for b in whole[4096 : 4096 * 6]) + whole[4096 * 6 :],
    }[damage]
    catalogue.path.write_bytes(damaged)
    with pytest.raises(CatalogueError, match="is damaged") as caught:
        reopen(catalogue, readonly=readonly)
    assert str(catalogue.path) in str(caught.value)
    assert str(backup) in caught.value.next
    assert catalogue.path.read_bytes() == damaged
    used, kept = store.restore(catalogue.path)
    assert used == backup
    assert kept is not None
    assert kept.read_bytes() == damaged
    with reopen(catalogue) as restored:
        assert len(restored) == 3
        assert restored.verify() == []


def use(opened: Catalogue) -> None:
    """Read, write and come again: what SQLite holds in memory may hide the damage for a while."""
    opened.examples()
    opened.label(1, "lit", True, who="ada")
    opened.close()
    reopen(opened).close()


def test_damage_that_comes_while_it_is_open_is_named_too(catalogue: Catalogue) -> None:
    with_backup(catalogue)
    with reopen(catalogue) as opened:
        with catalogue.path.open("r+b") as file:
            file.seek(0)
            file.write(b"\xff" * os.path.getsize(catalogue.path))
        with pytest.raises(CatalogueError, match="is damaged"):
            use(opened)


def test_without_a_backup_the_error_says_so(tmp_path: Path) -> None:
    (tmp_path / "c.db").write_bytes(b"x" * 5000)
    with pytest.raises(CatalogueError, match="no backup"):
        Catalogue.open(tmp_path / "c.db", tmp_path)
    with pytest.raises(CatalogueError, match="healthy backup"):
        store.restore(tmp_path / "c.db")


def test_a_damaged_backup_is_passed_over(catalogue: Catalogue) -> None:
    good = with_backup(catalogue)
    (good.parent / "99999999T000000.000000Z.db").write_bytes(b"junk" * 500)
    assert store.healthy_backup(catalogue.path) == good


def test_three_backups_are_kept_one_for_each_session_that_wrote(catalogue: Catalogue) -> None:
    fill(catalogue, 1)
    catalogue.close()
    for n in range(5):
        with reopen(catalogue) as session:
            session.label(1, "lit", n % 2 == 0, who="ada")
            session.label(1, "lit", n % 2 == 1, who="ada")
        with reopen(catalogue) as session:
            session.examples()
    copies = store.backups(catalogue.path)
    assert len(copies) == store.KEEP
    with Catalogue.open(copies[0], catalogue.images, readonly=True) as newest:
        assert len(newest.history()) == 1 + 4 * 2
    assert not list(copies[0].parent.glob(".*"))


# --- several at once, and crashes -----------------------------------------------------------------------------------


def test_a_reader_sees_no_half_transaction(catalogue: Catalogue) -> None:
    fill(catalogue, 2)
    with reopen(catalogue, readonly=True) as reader:
        with pytest.raises(ImageError), catalogue.transaction():  # noqa: PT012 - the half is what is tested
            catalogue.add(png(7), suffix=".png", group="z", source="x")
            assert len(reader) == 2
            catalogue.add(b"bad", suffix=".png", group="z", source="x")
        assert len(reader) == len(catalogue) == 2
        catalogue.add(png(7), suffix=".png", group="z", source="x")
        assert len(reader) == 3


@pytest.mark.parametrize("n", range(12))
def test_several_may_make_the_same_catalogue_at_once(tmp_path: Path, n: int) -> None:
    errors: list[BaseException] = []
    start = threading.Barrier(6)

    def make() -> None:
        try:
            start.wait()
            Catalogue.open(tmp_path / f"{n}.db", tmp_path / "images").close()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=make) for _ in range(6)]
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before_s)
    assert errors == []


def test_several_writers_take_turns(tmp_path: Path) -> None:
    errors: list[BaseException] = []

    def write(who: int) -> None:
        try:
            with Catalogue.open(tmp_path / "c.db", tmp_path / "images") as mine:
                for n in range(8):
                    image_id = mine.add(png(n), suffix=".png", group="g", source=f"{who}")
                    mine.label(image_id, f"by{who}", True, who=f"{who}")
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with Catalogue.open(tmp_path / "c.db", tmp_path / "images", readonly=True) as catalogue:
        assert len(catalogue) == 8
        assert catalogue.label_counts() == {f"by{who}": {"true": 8} for who in range(4)}


def test_a_writer_that_never_gets_its_turn_says_so(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(catalogue, 1)
    monkeypatch.setattr(store, "BUSY_S", 0.05)
    with (
        catalogue.transaction(),
        reopen(catalogue) as second,
        pytest.raises(CatalogueError, match="another program writing"),
    ):
        second.label(1, "lit", True, who="bob")


WRITER = """
import sys
from pathlib import Path
from telltale.dataset import Catalogue
sys.path.insert(0, sys.argv[2])
from small_pictures import png
root = Path(sys.argv[1])
with Catalogue.open(root / "c.db", root / "images") as catalogue:
    for n in range(100000):
        with catalogue.transaction():
            image_id = catalogue.add(png(n), suffix=".png", group=f"g{n}", source="x")
            catalogue.label(image_id, "lit", True, who="ada")
        print(n, flush=True)
"""


@pytest.mark.parametrize("after", [1, 13, 30])
def test_kill_9_in_the_middle_of_writing_loses_nothing_committed(tmp_path: Path, after: int) -> None:
    source = Path(__file__).resolve().parents[2] / "src"
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path), str(Path(__file__).parent.parent)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(source)},
    )
    assert process.stdout is not None
    said = -1
    for line in process.stdout:
        said = int(line)
        if said >= after:
            break
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().split()
    process.stdout.close()
    process.wait()
    said = max([said, *(int(word) for word in rest if word.isdigit())])
    with Catalogue.open(tmp_path / "c.db", tmp_path / "images") as catalogue:
        assert said + 1 <= len(catalogue) <= said + 2
        assert all(example.labels["lit"].value is True for example in catalogue.examples())
        assert catalogue.verify() == []
        assert json.loads(next(iter(catalogue.label_counts()["lit"]))) is True
        catalogue.add(png(500_000), suffix=".png", group="on", source="x")

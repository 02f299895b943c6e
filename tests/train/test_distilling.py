"""A student that learns from a teacher."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from telltale.dataset.catalogue import Catalogue
from telltale.errors import TrainError
from telltale.frame import Image
from telltale.model import load_run
from telltale.project import Augment, Distil, Project, Train
from telltale.tasks import Task, from_spec
from telltale.train import run
from telltale.train.distil import (
    Answers,
    Taught,
    as_hints,
    both_views,
    cached_answers,
    distil_loss,
    join_hints,
    mirror_order,
    open_teacher,
)
from telltale.train.hints import Hints
from telltale.train.whole import WholePictures
from toy_lamps import HEIGHT, STILL, WIDTH, toy, toy_arrays, toy_settings
from toy_project import project_of


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a trained run `wise`."""
    project = project_of(tmp_path_factory.mktemp("school"), count=90)
    run(
        project,
        name="wise",
        settings=project.config.train.model_copy(
            update={"epochs": 20, "learning_rate": 0.01, "ema": 0.9, "augment": STILL}
        ),
    )
    return project


def pupil(project: Project, **changes: object) -> Train:
    return Train.model_validate({**project.config.train.model_dump(), "backbone": "pico", "teacher": "wise", **changes})


def test_the_loss_is_nothing_where_both_agree_and_grows_with_their_distance() -> None:
    lesson = torch.tensor([[2.0, -1.0], [0.0, 3.0]])
    assert float(distil_loss(lesson, lesson, 3.0)) == pytest.approx(0, abs=1e-6)
    near, far = (float(distil_loss(lesson + d, lesson, 3.0)) for d in (0.1, 1.0))
    assert 0 < near < far


def test_the_gradient_of_the_loss_hardly_depends_on_the_temperature() -> None:
    lesson = torch.tensor([[0.2, -0.1]])
    gradients = []
    for temperature in (4.0, 16.0):
        logits = torch.zeros(1, 2, requires_grad=True)
        distil_loss(logits, lesson, temperature).backward()  # type: ignore[no-untyped-call]
        assert logits.grad is not None
        gradients.append(logits.grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0.02, atol=1e-4)


def test_a_name_the_teacher_does_not_know_teaches_nothing() -> None:
    logits = torch.zeros(1, 2, requires_grad=True)
    distil_loss(logits, torch.tensor([[float("nan"), 2.0]]), 2.0).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert logits.grad[0, 0] == 0
    assert logits.grad[0, 1] < 0


def test_mirrored_answers_swap_names(task: Task) -> None:
    assert mirror_order(task) == [1, 0, 2]
    assert mirror_order(from_spec({"kind": "mask", "names": ["a", "b"]})) == [0, 1]
    answers = Answers(
        np.array([[1.0, 2, 3]], np.float32), np.array([[6.0, 5, 7]], np.float32), *[np.zeros((1, 0), np.float32)] * 2
    )
    both = both_views(answers, task, flip=True)
    assert both.plain.tolist() == [[3.0, 4.0, 5.0]]
    assert both.mirrored.tolist() == [[4.0, 3.0, 5.0]]
    assert both_views(answers, task, flip=False) is answers


def test_few_hints_weigh_as_much_as_many() -> None:
    rng = np.random.default_rng(0)
    few, many = (Hints(v := rng.normal(size=(50, n)).astype(np.float32), v, tuple(map(str, range(n)))) for n in (2, 30))
    both = join_hints(few, many)
    error = both.values**2
    assert error.mean() == pytest.approx((few.values**2).mean() + (many.values**2).mean(), rel=1e-5)
    assert join_hints(few, Hints.none(50)) is few


def test_a_hidden_unit_that_never_varies_is_no_hint() -> None:
    hidden = np.array([[1.0, 5], [2, 5], [3, 5]], np.float32)
    hints = as_hints(Answers(hidden, hidden, hidden, hidden))
    assert hints.names == ("hidden 0",)
    assert hints.values.std() == pytest.approx(1)


def test_answers_are_asked_once_and_kept(school: Project, task: Task, tmp_path: Path) -> None:
    teacher = open_teacher(school.runs / "wise", task)
    pixels, _ = toy(10)
    asked: list[int] = []

    def read(row: int) -> Image:
        asked.append(row)
        picture: Image = pixels[row]
        return picture

    first = cached_answers(teacher, tmp_path, [str(k) for k in range(10)], read)
    again = cached_answers(teacher, tmp_path, [str(k) for k in range(10)], read)
    assert asked == list(range(10))
    assert np.array_equal(first.plain, again.plain)
    assert first.hidden.shape == (10, teacher.hidden)
    # What it tells of the mirrored picture is what it tells when it is shown that picture.
    turned = torch.from_numpy(pixels[:, :, ::-1].copy()).permute(0, 3, 1, 2).float() / 255
    torch.testing.assert_close(torch.from_numpy(first.mirrored), teacher.tell(turned))
    (kept,) = tmp_path.glob("*.lessons.npz")
    kept.write_bytes(kept.read_bytes()[:-200])
    assert np.array_equal(cached_answers(teacher, tmp_path, [str(k) for k in range(10)], read).plain, first.plain)
    assert len(asked) == 20


def test_a_flipped_picture_gets_the_mirrored_lesson(task: Task) -> None:
    arrays = toy_arrays(32, 0)
    plain = np.zeros((32, 3), np.float32)
    settings = Augment(**{**STILL.model_dump(), "flip": True})
    arrays = type(arrays)(arrays.pixels, arrays.target, arrays.train, arrays.watch, None, (plain, plain + 1))
    feed = WholePictures(task, arrays, settings)
    rows = torch.arange(32)
    batch = feed.draw(rows, torch.Generator().manual_seed(0), torch.device("cpu"))(slice(0, 32))
    assert batch.lesson is not None
    still = torch.from_numpy(arrays.pixels).permute(0, 3, 1, 2).float() / 255
    flipped = (batch.pixels - still).abs().amax((1, 2, 3)) > 0.5
    assert 5 < int(flipped.sum()) < 27
    # A picture that looks the same mirrored tells nothing: check those that changed.
    assert bool((batch.lesson[flipped] == 1).all())


def test_a_lesson_on_moved_pictures_is_on_those_very_pictures(school: Project, task: Task) -> None:
    teacher = open_teacher(school.runs / "wise", task)
    feed = Taught(WholePictures(task, toy_arrays(16, 0), Augment()), teacher)
    batch = feed.draw(torch.arange(16), torch.Generator().manual_seed(0), torch.device("cpu"))(slice(4, 12))
    assert batch.lesson is not None
    torch.testing.assert_close(batch.lesson, teacher.tell(batch.pixels))


@pytest.mark.parametrize("answers", ["cached", "moved"])
def test_a_student_learns_from_pictures_that_nobody_labelled(school: Project, tmp_path: Path, answers: str) -> None:
    project = project_of(tmp_path, count=90)
    with Catalogue.open(project.catalogue_path, project.images) as catalogue:
        for example in catalogue.examples("train")[20:]:
            for name in ("left", "right", "lid"):
                catalogue.undo(example.image_id, name)
    settings = pupil(
        project,
        teacher=str(school.runs / "wise"),
        epochs=30,
        learning_rate=0.01,
        ema=0.9,
        augment=STILL.model_dump(),
        distil={"weight": 1, "answers": answers},
    )
    result = run(project, name="pupil", settings=settings)
    network, config = load_run(result.run_dir)
    assert len(config.teacher) == 16
    teacher = open_teacher(school.runs / "wise", network.task)
    pixels, _ = toy(200, seed=5)
    batch = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        same = (network(batch)["logits"] > 0) == (teacher.tell(batch) > 0)
    assert float(same.float().mean()) > 0.9
    again = run(project, name="pupil", resume=True)
    assert again.epochs == 30


def test_a_bundle_teaches_as_well(school: Project, task: Task, tmp_path: Path) -> None:
    from telltale.export.export import export_run
    from telltale.export.judge import Options

    bundle = export_run(school.runs / "wise", tmp_path / "wise.telltale", options=Options(int8="never"))
    teacher = open_teacher(bundle.path, task)
    pixels = torch.rand(4, 3, HEIGHT, WIDTH)
    bytes_seen = (pixels * 255).round() / 255
    expected = open_teacher(school.runs / "wise", task).tell(bytes_seen)
    clipped = expected.clamp(-9.2, 9.2)
    torch.testing.assert_close(teacher.tell(pixels), clipped, atol=2e-3, rtol=1e-3)
    assert teacher.hidden == 0


def test_a_teacher_of_other_names_is_refused(school: Project) -> None:
    with pytest.raises(TrainError, match="expected some of boot"):
        open_teacher(school.runs / "wise", from_spec({"kind": "states", "names": ["boot"]}))
    with pytest.raises(TrainError, match="expected a mask model"):
        open_teacher(school.runs / "wise", from_spec({"kind": "mask", "names": ["lid"]}))
    some = open_teacher(school.runs / "wise", from_spec({"kind": "states", "names": ["boot", "lid"]}))
    lesson = some.tell(torch.rand(2, 3, HEIGHT, WIDTH))
    assert bool(torch.isnan(lesson[:, 0]).all())
    assert not bool(torch.isnan(lesson[:, 1]).any())


def test_what_is_no_teacher_is_named(school: Project, task: Task, tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="nothing there"):
        open_teacher(tmp_path / "gone", task)
    with pytest.raises(TrainError, match="neither"):
        open_teacher(tmp_path, task)
    with pytest.raises(TrainError, match="teacher"):
        run(school, name="lost", settings=pupil(school, teacher="nobody"))


def test_a_run_does_not_go_on_with_another_teacher(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    run(project, name="wise")
    run(project, name="pupil", settings=pupil(project, epochs=1))
    import shutil

    shutil.rmtree(project.runs / "wise")
    run(project, name="wise", settings=project.config.train.model_copy(update={"seed": 9}))
    with pytest.raises(TrainError, match="teacher has changed"):
        run(project, name="pupil", resume=True)


def test_settings_without_a_teacher_are_as_before() -> None:
    assert toy_settings().teacher is None
    assert Distil().answers == "auto"

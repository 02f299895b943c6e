"""Checkpoints: whole, or a named error."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch

from telltale.errors import ConfigError, TrainError
from telltale.model import RunConfig, build, load_run
from telltale.model.checkpoint import BEST, Checkpoint, load, save, write_config
from telltale.project import Input, Train
from telltale.tasks import Task


def sample() -> Checkpoint:
    return Checkpoint(
        config={"name": "x"},
        weights={"w": torch.arange(400.0)},
        averaged={"w": torch.ones(3)},
        optimizer={"state": {0: {"step": torch.tensor(4.0)}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
        position={"step": 7, "best": float("inf"), "loss_sum": [1.0]},
        random=torch.get_rng_state(),
        history=[{"epoch": 1.0, "train/loss": 0.5}],
    )


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    save(tmp_path / "a.pt", sample())
    back = load(tmp_path / "a.pt")
    assert torch.equal(back.weights["w"], torch.arange(400.0))
    assert back.position == {"step": 7, "best": float("inf"), "loss_sum": [1.0]}
    assert back.history == [{"epoch": 1.0, "train/loss": 0.5}]
    assert torch.equal(back.random, torch.get_rng_state())
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match=r"nothing\.pt"):
        load(tmp_path / "nothing.pt")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_checkpoint_is_a_named_error(tmp_path: Path, share: float) -> None:
    path = tmp_path / "a.pt"
    save(path, sample())
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(TrainError, match=r"a\.pt is damaged"):
        load(path)


def test_a_changed_number_is_a_named_error(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    save(path, sample())
    data = bytearray(path.read_bytes())
    at = data.index(torch.arange(400.0).numpy().tobytes())
    rng = random.Random(0)
    for _ in range(20):
        damaged = bytearray(data)
        damaged[at + rng.randrange(1600)] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(TrainError, match=r"a\.pt is damaged"):
            load(path)


def test_another_file_is_a_named_error(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(b"hello")
    with pytest.raises(TrainError, match="damaged"):
        load(path)
    torch.save([1, 2], path)
    with pytest.raises(TrainError, match="format"):
        load(path)


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("code ran",))


def test_a_checkpoint_runs_no_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.pt"
    torch.save({"format": 1, "config": Evil()}, path)
    with pytest.raises(TrainError):
        load(path)
    assert "code ran" not in capsys.readouterr().out


def a_run(folder: Path, task: Task) -> Path:
    torch.manual_seed(0)
    network = build("pico", task, 32, 48)
    config = RunConfig(
        name="r",
        task=task.to_spec(),
        input=Input(width=48, height=32),
        train=Train(backbone="pico"),
        data_hash="0",
        groups={"a": "train"},
        split={},
    )
    folder.mkdir()
    write_config(folder, config)
    averaged = {key: value + 1 if value.is_floating_point() else value for key, value in network.state_dict().items()}
    save(folder / BEST, Checkpoint(config.model_dump(), dict(network.state_dict()), averaged))
    return folder


def test_a_run_gives_its_averaged_weights(tmp_path: Path, task: Task) -> None:
    network, config = load_run(a_run(tmp_path / "r", task))
    assert not network.training
    assert config.input.width == 48
    assert float(network.state_dict()["head.tell.bias"][0]) == 1.0
    assert network(torch.rand(1, 3, 32, 48))["logits"].shape == (1, 3)


def test_weights_of_another_network_are_a_named_error(tmp_path: Path, task: Task) -> None:
    run = a_run(tmp_path / "r", task)
    config = json.loads((run / "config.json").read_text())
    config["train"]["backbone"] = "nano"
    (run / "config.json").write_text(json.dumps(config))
    with pytest.raises(TrainError, match=r"best\.pt"):
        load_run(run)


def test_a_folder_that_is_no_run_says_so(tmp_path: Path, task: Task) -> None:
    with pytest.raises(TrainError, match="expected a run"):
        load_run(tmp_path)
    run = a_run(tmp_path / "r", task)
    (run / "config.json").write_text("{")
    with pytest.raises(TrainError, match="damaged"):
        load_run(run)
    (run / "config.json").write_text('{"nmae": 1}')
    with pytest.raises(ConfigError):
        load_run(run)

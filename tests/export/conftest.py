"""One training run on disk, its catalogue, and one export of it, for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

from export_samples import HEIGHT, NAMES, WIDTH, about, labelled_pictures, trained_network
from telltale.bundle.bundle import Bundle
from telltale.dataset import Catalogue, NewImage, Said
from telltale.export.export import export_run
from telltale.export.judge import Options
from telltale.model import Network, RunConfig, count_macs, count_parameters
from telltale.model.checkpoint import BEST, Checkpoint, save, write_config
from telltale.project import Input, Train, Unsure


@pytest.fixture(scope="session")
def network() -> Network:
    return trained_network()


@pytest.fixture(scope="session")
def run_dir(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `telltale train` leaves it; the raw weights are useless, so that only the averaged ones can be shipped."""
    folder = tmp_path_factory.mktemp("run")
    config = RunConfig(
        name="run 7",
        task=about().task,
        input=Input(width=WIDTH, height=HEIGHT),
        train=Train(backbone="pico"),
        data_hash="ab" * 32,
        groups={"g0": "train", "g1": "watch"},
        split={"train": 0.7},
        licence="MIT",
        leak_allowed=True,
        code_version="0.0.1",
        fused_parameters=count_parameters(network.fused()),
        macs=count_macs(network),
    )
    write_config(folder, config)
    weights = network.state_dict()
    save(folder / BEST, Checkpoint(config.model_dump(), {name: value * 0 for name, value in weights.items()}, weights))
    return folder


@pytest.fixture(scope="session")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    """100 labelled pictures in ten groups, six of them to train on and four to calibrate on."""
    folder = tmp_path_factory.mktemp("catalogue")
    catalogue = Catalogue.open(folder / "catalogue.db", folder / "images")
    pictures = labelled_pictures(100, seed=2)
    new = []
    for row, image in enumerate(pictures.images):
        known = pictures.target.known[row]
        labels = {name: Said(bool(pictures.target.values[row, k])) for k, name in enumerate(NAMES) if known[k]}
        png = cv2.imencode(".png", image[:, :, ::-1])[1].tobytes()
        new.append(NewImage(png, ".png", f"g{row % 10}", "test", labels=labels))
    catalogue.add_many(new)
    catalogue.set_splits({f"g{k}": "train" if k < 6 else "calibration" for k in range(10)})
    yield catalogue
    catalogue.close()


@pytest.fixture(scope="session")
def exported(run_dir: Path, catalogue: Catalogue, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """With int8 kept whatever its speed, so that the tests see all forms."""
    return export_run(
        run_dir,
        tmp_path_factory.mktemp("exported") / "strips.telltale",
        name="strips",
        training=catalogue.examples("train"),
        calibration=catalogue.examples("calibration"),
        unsure=Unsure(error=0.02, confidence=0.95),
        options=Options(int8="always"),
    )

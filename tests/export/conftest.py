"""One network and one export of it, for all tests of this folder."""

from __future__ import annotations

import pytest

from export_samples import about, labelled_pictures, trained_network
from telltale.bundle.bundle import Bundle
from telltale.export.export import export_network
from telltale.export.judge import Options
from telltale.export.pictures import synthetic
from telltale.model import Network
from telltale.progress import Quiet


@pytest.fixture(scope="session")
def network() -> Network:
    return trained_network()


@pytest.fixture(scope="session")
def exported(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """With int8 kept whatever its speed, so that the tests see all forms."""
    return export_network(
        network,
        about(),
        tmp_path_factory.mktemp("exported") / "strips.telltale",
        training=labelled_pictures(40, seed=1),
        calibration=labelled_pictures(60, seed=2),
        frame=synthetic(1, 97, 83)[0],
        options=Options(int8="always"),
        progress=Quiet(),
    )

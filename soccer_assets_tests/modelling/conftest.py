"""An MLflow store, made once: to make its tables takes seconds."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from soccer_assets_tests.modelling.mlflow_store import Store


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a store that nobody uses."""
    store = Store(tmp_path_factory.mktemp("empty"))
    store.registry().champion()
    store.close()
    return store.root


@pytest.fixture(scope="session")
def new_store(empty_store: Path) -> Callable[[Path], Store]:
    """Makes a store below a folder that is not there yet."""

    def make(root: Path) -> Store:
        shutil.copytree(empty_store, root)
        return Store(root)

    return make

"""The loops of docs/user_guide/fusion.rst do what the text says."""

import copy
import logging

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, TensorDataset

from sklearn_align.datasets import drop_modalities, load_avmnist
from tests.test_documented_code import ROOT, blocks

PLAIN, LIGHTNING = (
    code
    for code in blocks(ROOT / "docs" / "user_guide" / "fusion.rst")
    if "import AECFLoss, AECFModule" in code
)
N_EPOCHS = 4


@pytest.fixture(scope="module")
def loaders():
    data = load_avmnist(subset="train")
    X = drop_modalities(data.data[:1500], data.modalities, 0.2, random_state=0)
    X = StandardScaler().fit_transform(X).astype(np.float32)
    samples = TensorDataset(torch.from_numpy(X), torch.from_numpy(data.target[:1500]))
    train, valid = torch.utils.data.random_split(samples, [1300, 200])
    return DataLoader(train, batch_size=64, shuffle=True), DataLoader(valid, batch_size=200)


def accuracy(module, batches):
    with torch.no_grad():
        return np.mean([(module.eval()(X)[0].argmax(dim=1) == y).numpy() for X, y in batches])


def test_the_plain_loop(loaders, capsys):
    loader, valid_loader = loaders
    names = {"n_epochs": N_EPOCHS, "loader": loader}
    torch.manual_seed(0)
    exec(PLAIN, names)
    assert accuracy(names["module"], valid_loader) > 0.6
    assert len(capsys.readouterr().out.splitlines()) == N_EPOCHS
    assert names["loss"].consistency_ramp == N_EPOCHS / 5


@pytest.mark.filterwarnings("ignore")
def test_lightning(loaders, tmp_path, monkeypatch):
    lightning = pytest.importorskip("lightning")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    monkeypatch.chdir(tmp_path)
    loader, valid_loader = loaders
    options = {
        "accelerator": "cpu",
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "logger": False,
    }
    trainer = lightning.Trainer
    monkeypatch.setattr(lightning, "Trainer", lambda **given: trainer(**given, **options))
    names = {"n_epochs": N_EPOCHS, "loader": loader, "valid_loader": valid_loader}
    torch.manual_seed(0)
    exec(LIGHTNING, names)
    model = names["model"]
    assert accuracy(model.network, valid_loader) > 0.6
    assert model.loss.consistency_ramp == N_EPOCHS / 5
    logged = names["trainer"].callback_metrics
    assert {"train_task", "train_entropy", "train_consistency", "valid_loss"} <= set(logged)
    (checkpoint,) = tmp_path.rglob("*.ckpt")
    loaded = type(model).load_from_checkpoint(checkpoint)
    X, _ = next(iter(valid_loader))
    with torch.no_grad():
        expected = copy.deepcopy(model.network).eval()(X)[0]
        assert torch.equal(loaded.network.eval()(X)[0], expected)

"""Whether the weights of the gate can be made to follow the noise of the blocks.

python -m tests.benchmarks.bench_fusion_gate --seeds 3
python -m tests.benchmarks.bench_fusion_gate --samples 7000 --epochs 60 --seeds 2 \\
    --methods default "experts' losses as teacher" "confidence besides blocks, teacher"

avmnist, whose samples come with the noise of their image and of their sound, and one more modality
of nothing but noise (or mfeat, which has no such figures, with ``--data mfeat``). Every method
changes the training or the gate by a module, a loss or an estimator made of public parts. Its
settings are chosen on the validation samples with one seed, and the table is computed on the test
samples with others.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from sklearn_align import AECFClassifier
from sklearn_align.fusion import AECFLoss, AECFModule, ModalityGate
from tests.benchmarks.fusion_data import (
    RATES,
    Array,
    at_rate,
    figures_at_rates,
    load,
    make_parser,
)
from tests.benchmarks.tables import Figures, Runs, write_table

KEYS = ("data", "method", "setting", "samples", "epochs", "scored", "seed")
N_NOISE = 50
CHOICE = 100
SAMPLES, EPOCHS = 3000, 25
# Settings whose mAP, the mean over the rates, is lower by more than this are not chosen.
LARGEST_LOSS = 0.005
MAP = [at_rate("mAP", rate) for rate in RATES]


@dataclass(frozen=True)
class Setting:
    """What differs from the default estimator.

    `noise` is the largest standard deviation of the noise that is added to half of the blocks of a
    training batch, in units of the scaled columns; `mix` the largest share of the block of another
    sample that is mixed into half of the blocks instead; `reward` the weight of a term that rewards
    low entropy in the second half of the training, when masking has trained every modality;
    `confidence` what the gate sees of the experts: nothing, their confidence besides the blocks
    ("both"), or nothing else ("only"); `held_out` trains the gate once more, on a fifth of the
    samples that the experts have not seen; `teacher` is ``gate_supervision_weight`` of the
    estimator, and `entropy_weight` its parameter of that name.
    """

    noise: float = 0.0
    mix: float = 0.0
    reward: float = 0.0
    confidence: str = ""
    teacher: float = 0.0
    held_out: bool = False
    entropy_weight: float = 0.2


SETTINGS: dict[str, dict[str, Setting]] = {
    "default": {"-": Setting()},
    "no entropy term": {"-": Setting(entropy_weight=0.0)},
    "noise in training": {f"noise {sd:g}": Setting(noise=sd) for sd in (1.0, 2.0, 4.0)},
    "mixtures in training": {f"mix {share:g}": Setting(mix=share) for share in (0.5, 1.0)},
    "reward of low entropy": {f"reward {r:g}": Setting(reward=r) for r in (0.1, 0.3)},
    "gate sees confidence": {part: Setting(confidence=part) for part in ("both", "only")},
    "experts' losses as teacher": {f"teacher {t:g}": Setting(teacher=t) for t in (0.3, 1.0)},
    "noise, reward": {
        f"noise {sd:g}, reward {r:g}": Setting(noise=sd, reward=r)
        for sd in (1.0, 2.0)
        for r in (0.1, 0.3)
    },
    "confidence besides blocks, teacher": {
        f"teacher {t:g}": Setting(confidence="both", teacher=t) for t in (0.3, 1.0)
    },
    "confidence alone, teacher": {
        f"teacher {t:g}": Setting(confidence="only", teacher=t) for t in (0.3, 1.0)
    },
    "held-out gate": {
        sees: Setting(held_out=True, confidence=sees if sees != "blocks" else "")
        for sees in ("blocks", "both", "only")
    },
}


class ConfidenceGate(ModalityGate):
    """A gate that sees how sure the expert of every modality is, without changing the expert."""

    def __init__(
        self, n_modalities: int, n_units: int, *, experts: nn.Module, only: bool, **options: Any
    ) -> None:
        super().__init__(n_modalities, 2 if only else n_units + 2, **options)
        self.only = only
        # In a list, so that the experts' weights are not those of the gate as well.
        self.experts = [experts]

    def forward(self, encoded: Tensor, presence: Tensor) -> Tensor:
        """Compute the weights from entropy and logsumexp of the experts' logits."""
        with torch.no_grad():
            logits = self.experts[0](encoded)
            logs = torch.log_softmax(logits, dim=-1)
            entropy = -(logs.exp() * logs).sum(dim=-1)
            seen = torch.stack([entropy, torch.logsumexp(logits, dim=-1)], dim=-1)
        return super().forward(seen if self.only else torch.cat([encoded, seen], dim=-1), presence)


class NoisyModule(AECFModule):
    """The network, with noise on its blocks in training and a gate that may see confidence."""

    def __init__(
        self,
        widths: Any,
        n_outputs: int,
        *,
        noise: float = 0.0,
        mix: float = 0.0,
        confidence: str = "",
        n_units: int = 128,
        gate_hidden: int = 64,
        gate_temperature: float = 2.0,
        min_gate_temperature: float = 1.5,
        **options: Any,
    ) -> None:
        gate = {"temperature": gate_temperature, "min_temperature": min_gate_temperature}
        super().__init__(
            widths,
            n_outputs,
            n_units=n_units,
            gate_hidden=gate_hidden,
            gate_temperature=gate_temperature,
            min_gate_temperature=min_gate_temperature,
            **options,
        )
        self.noise, self.mix = noise, mix
        if confidence:
            self.gate = ConfidenceGate(
                len(widths),
                n_units,
                experts=self.head,
                only=confidence == "only",
                hidden=gate_hidden,
                **gate,
            )

    def forward(
        self, X: Tensor, presence: Tensor, subset: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Spoil about half of the blocks in training, each with a strength drawn at random."""
        if self.training and self.noise + self.mix > 0:
            drawn = torch.rand(presence.shape) * (torch.rand(presence.shape) < 0.5)
            strength = torch.repeat_interleave(drawn, torch.tensor(self.widths), dim=1)
            X = X + self.noise * strength * torch.randn_like(X)
            X = X + self.mix * strength * (X[torch.randperm(len(X))] - X)
        return super().forward(X, presence, subset)


class SelectiveLoss(AECFLoss):
    """The loss; in the second half of the training low entropy of the gate is rewarded."""

    reward, start, rewarded = 0.0, 0, False

    def __init__(
        self, *args: Any, reward: float = 0.0, max_epochs: int = 60, **options: Any
    ) -> None:
        super().__init__(*args, max_epochs=max_epochs, **options)
        self.reward, self.start = reward, max_epochs // 2

    def set_epoch(self, epoch: int) -> None:
        """Set the weights that follow the epochs."""
        super().set_epoch(epoch)
        self.rewarded = self.reward > 0 and epoch >= self.start
        self.entropy_lambda = 0.0 if self.rewarded else self.entropy_lambda

    def forward(self, outputs: Any, y: Tensor, *args: Any, **options: Any) -> Tensor:
        """Compute the loss with the entropy in place of its negative."""
        loss: Tensor = super().forward(outputs, y, *args, **options)
        if not self.rewarded:
            return loss
        return loss + self.reward * torch.special.entr(outputs[1]).sum(dim=-1).mean()


def refit_gate(clf: AECFClassifier, X: Array, y: Array, seed: int) -> None:
    """Train the gate alone, on samples that the experts have not seen, and calibrate again."""
    torch.manual_seed(seed)
    module, samples = clf.module_.eval(), clf.get_dataset(X).X
    target = torch.from_numpy(np.searchsorted(clf.classes_, y))
    optimizer = torch.optim.Adam(module.gate.parameters(), lr=2e-3)
    for _ in range(400):
        batch = torch.randint(len(X), (256,))
        presence = samples["presence"][batch]
        subset = presence & (torch.rand(presence.shape) < 0.7)
        subset = torch.where(subset.any(dim=1, keepdim=True), subset, presence)
        outputs = module(samples["X"][batch], presence, subset)
        loss = sum(nn.functional.cross_entropy(part, target[batch]) for part in outputs[::3])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    clf.calibrate(X, y)


def with_noise(X: Array, seed: int) -> Array:
    """Append a block of noise, drawn anew for these samples."""
    noise = np.random.default_rng(seed).normal(size=(len(X), N_NOISE))
    return np.hstack([X, noise]).astype(np.float32)


def score(
    data: str, method: str, setting: str, samples: int, epochs: int, scored: str, seed: int
) -> Figures:
    """Fit on training samples; relate weights to noise and score the predictions."""
    torch.set_num_threads(1)
    chosen = SETTINGS[method][setting]
    bunch = load(data, seed)
    modalities = {**bunch.modalities, "noise": N_NOISE}
    rows = bunch.split == ("validation", "test").index(scored) + 1
    drawn = np.random.default_rng(seed).permutation(np.flatnonzero(bunch.split == 0))[:samples]
    clf = AECFClassifier(
        modalities=modalities,
        module=NoisyModule,
        module__noise=chosen.noise,
        module__mix=chosen.mix,
        module__confidence=chosen.confidence,
        criterion=SelectiveLoss,
        criterion__reward=chosen.reward,
        entropy_weight=chosen.entropy_weight,
        gate_supervision_weight=chosen.teacher,
        max_epochs=epochs,
        random_state=seed,
    )
    X_train, y_train = with_noise(bunch.data[drawn], seed), bunch.target[drawn]
    n_held = len(drawn) // 5 if chosen.held_out else 0
    clf.fit(X_train[n_held:], y_train[n_held:])
    if n_held:
        refit_gate(clf, X_train[:n_held], y_train[:n_held], seed)
    X = with_noise(bunch.data[rows], 10_000 + seed)
    weights = clf.modality_weights(X)
    figures = figures_at_rates(clf.predict_proba, X, bunch.target[rows], modalities, seed)
    related = {}
    if data == "avmnist":
        for name, column, level in (
            ("image, noise", 0, bunch.image_noise),
            ("audio, SNR", 1, bunch.audio_snr),
        ):
            related[name] = float(spearmanr(weights[:, column], level[rows]).statistic)
    return {
        **related,
        "weight of noise": float(weights[:, -1].mean()),
        **{column: figures[column] for column in MAP},
        **{column: figures[column] for column in (at_rate("NLL", 0.0), at_rate("NLL", 0.5))},
    }


def chosen_settings(frame: Any, options: dict[str, Any]) -> dict[str, str]:
    """Choose the setting of every method whose weights follow noise most at no cost in mAP."""
    mine = frame[frame["scored"] == "validation"]
    for name, value in options.items():
        mine = mine[mine[name] == value]
    follows = -mine["weight of noise"]
    if "audio, SNR" in mine:
        follows = mine["audio, SNR"] - mine["image, noise"]
    mine = mine.assign(mean=mine[MAP].mean(axis=1), follows=follows)
    least = float(mine[mine["method"] == "default"]["mean"].iloc[0]) - LARGEST_LOSS
    best = {}
    for method, group in mine.groupby("method"):
        free = group[group["mean"] >= least]
        row = group.loc[free["follows"].idxmax() if len(free) else group["mean"].idxmax()]
        best[str(method)] = str(row["setting"])
    return best


def write_means(runs: Runs, path: Path, best: dict[str, str], options: dict[str, Any]) -> None:
    """Write means over seeds, one line for each method."""
    frame = runs.frame()
    frame = frame[frame["scored"] == "test"]
    columns = [name for name in frame.columns if name not in KEYS]
    lines = []
    for method, setting in best.items():
        group = frame[(frame["method"] == method) & (frame["setting"] == setting)]
        for name, value in options.items():
            group = group[group[name] == value]
        means = [float(group[column].mean()) for column in columns]
        lines.append([method, setting, *means, len(group)])
    write_table(path, ["method", "setting", *columns, "seeds"], lines)


def main(args: argparse.Namespace) -> None:
    """Run what is missing and write the table."""
    name = "fusion_gate" if args.data == "avmnist" else f"fusion_gate_{args.data}"
    runs = Runs(args.out, name, KEYS)
    choice = {"data": args.data, "samples": SAMPLES, "epochs": EPOCHS}
    tasks = [
        {**choice, "method": method, "setting": setting, "scored": "validation", "seed": CHOICE}
        for method, group in SETTINGS.items()
        for setting in group
    ]
    runs.fill(score, tasks, args.n_jobs)
    found = chosen_settings(runs.frame(), choice)
    best = {method: found[method] for method in args.methods}
    options = {"data": args.data, "samples": args.samples, "epochs": args.epochs}
    tasks = [
        {**options, "method": method, "setting": setting, "scored": "test", "seed": seed}
        for seed in range(args.first_seed, args.first_seed + args.seeds)
        for method, setting in best.items()
    ]
    runs.fill(score, tasks, args.n_jobs)
    size = "" if args.samples == SAMPLES else f"_{args.samples}"
    write_means(runs, args.out / f"{name}{size}.csv", best, options)


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("--samples", type=int, default=SAMPLES, help="most training samples")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--methods", nargs="+", default=list(SETTINGS), choices=list(SETTINGS))
    main(parser.parse_args())

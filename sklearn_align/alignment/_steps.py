"""From the parameters `init`, `n_init`, `selection` and `refinements` to the steps of a fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sklearn.base import BaseEstimator

from sklearn_align._sklearn import validate_parameters
from sklearn_align.alignment import refinements as refinement_classes
from sklearn_align.alignment._recipes import ANCHORS, PAPER, ROBUST, Recipe
from sklearn_align.alignment.refinements import Refinement
from sklearn_align.alignment.starts import AnchorStart, ComponentStart, Start


def list_starts(
    init: str | Start | Sequence[Start], n_init: int | str, selection: str | None
) -> list[Start]:
    """Return one initialization for each candidate; the given ones take turns."""
    if isinstance(init, str):
        kinds: Sequence[Any] = {
            "components": [ComponentStart(**settings) for settings in ROBUST.starts],
            "anchors": [
                AnchorStart(**settings, n_match_samples=ANCHORS.n_match_samples)
                for settings in PAPER.starts
            ],
        }[init]
        default = len(ROBUST.starts)
    elif isinstance(init, list | tuple):
        kinds, default = init, len(init)
    else:
        kinds, default = [init], len(ROBUST.starts)
    if not kinds:
        raise ValueError(
            "The 'init' parameter of MiniVec2Vec is an empty list: pass at least one "
            "initialization, 'components' or 'anchors'."
        )
    for start in kinds:
        _check_step("init", start, Start, "initial_map(problem, random_state)")
    if selection is None:
        n_candidates = (
            n_init if n_init != "auto" else (default if isinstance(init, list | tuple) else 1)
        )
        if n_candidates != 1:
            raise ValueError(
                f"selection=None takes a single initialization, but n_init={n_init!r} and "
                f"init={init!r} ask for {n_candidates}. Set n_init=1, or selection='halving'."
            )
        return [kinds[0]]
    n_starts = default if isinstance(n_init, str) else n_init
    return [kinds[i % len(kinds)] for i in range(n_starts)]


def list_refinements(refinements: str | Sequence[Refinement]) -> list[Refinement]:
    """Return the refinements, those of a recipe or the user's own, validated."""
    if isinstance(refinements, str):
        recipe: Recipe = {"robust": ROBUST, "paper": PAPER}[refinements]
        return [
            getattr(refinement_classes, name)(**settings) for name, settings in recipe.refinements
        ]
    for step in refinements:
        _check_step("refinements", step, Refinement, "iterate(problem, W, random_state)")
    return list(refinements)


def _check_step(parameter: str, step: Any, protocol: type, method: str) -> None:
    """Raise unless `step` is an instance with the method of a protocol and valid parameters."""
    if isinstance(step, type) or not isinstance(step, protocol):
        names = {"init": "'components', 'anchors', an object", "refinements": "'robust', 'paper'"}
        raise ValueError(
            f"The {parameter!r} parameter of MiniVec2Vec must be {names[parameter]} or a list of "
            f"objects with a method {method}, got {step!r}."
        )
    if isinstance(step, BaseEstimator) and hasattr(step, "_parameter_constraints"):
        validate_parameters(step)

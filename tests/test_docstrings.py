"""Public docstrings follow numpydoc."""

import inspect
from types import FunctionType

import pytest
from numpydoc.validate import validate

from tests.test_api_page import documented_names, resolve

# As in setup.cfg; results have names, as in scikit-learn, and a type alone is no section.
SKIPPED = {"EX01", "SA01", "ES01", "GL01", "GL02", "GL03", "RT02"}
# The plural nouns "Probabilities" and "skorch" at the start of a text are taken for mistakes.
SKIPPED |= {"SS05", "PR08"}
# These implement a method whose protocol is documented once.
PROTOCOL_METHODS = {"forward", "initial_map", "iterate"}
# These override a method of skorch, which documents their parameters.
PROTOCOL_METHODS |= {
    "check_data",
    "evaluation_step",
    "fit_loop",
    "get_dataset",
    "get_iterator",
    "get_loss",
    "get_metadata_routing",
    "get_params",
    "get_split_datasets",
    "infer",
    "initialize",
    "initialize_criterion",
    "initialize_module",
    "initialize_optimizer",
    "notify",
    "on_epoch_begin",
    "on_epoch_end",
}
DEVIATIONS = {
    "alignment.Refinement": {"PR01"},
    "alignment.Start": {"PR01"},
    "fusion.ContrastiveModule": {"PR03"},
}


def own_methods(name):
    """Public methods and properties that this package defines, in the class or in its bases."""
    cls = resolve(name)
    if not inspect.isclass(cls):
        return []
    found = {}
    for base in reversed(cls.__mro__):
        ours = base.__module__.startswith("sklearn_align")
        found |= dict.fromkeys(vars(base), ours)
    return [
        f"{name}.{method}"
        for method, ours in found.items()
        if ours
        and not method.startswith("_")
        and method not in PROTOCOL_METHODS
        and isinstance(
            inspect.getattr_static(cls, method),
            FunctionType | classmethod | staticmethod | property,
        )
    ]


def all_names():
    return [one for name in documented_names() for one in (name, *own_methods(name))]


@pytest.mark.parametrize("name", all_names())
def test_numpydoc(name):
    skipped = SKIPPED | DEVIATIONS.get(name, set())
    errors = validate(f"sklearn_align.{name}")["errors"]
    assert not [error for error in errors if error[0] not in skipped]


@pytest.mark.parametrize("name", documented_names())
def test_there_is_an_example(name):
    value = resolve(name)
    assert ">>>" in value.__doc__

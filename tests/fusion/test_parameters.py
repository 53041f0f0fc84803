"""The table of parameters agrees with signatures, documentation and configuration."""

from __future__ import annotations

import dataclasses
import re
from inspect import Parameter, getdoc, signature

import pytest

from sklearn_align.fusion import (
    AECFClassifier,
    AECFConfig,
    AECFEmbedder,
    AECFLoss,
    AECFModule,
    AECFRegressor,
    ContrastiveLoss,
    ContrastiveModule,
)
from sklearn_align.fusion._parameters import PARAMETERS, TOPICS, owned_by

ESTIMATORS = [AECFClassifier, AECFRegressor, AECFEmbedder]
OWNERS = [*ESTIMATORS, AECFModule, ContrastiveModule, AECFLoss, ContrastiveLoss]
# The module, the loss and the iterators differ by estimator; embeddings of unit length need one
# head; the contrast of the whole sample starts at once.
BY_OWNER = {
    ("AECFEmbedder", "module"): ContrastiveModule,
    ("AECFEmbedder", "criterion"): ContrastiveLoss,
    ("ContrastiveModule", "fusion"): "mean",
    ("ContrastiveLoss", "consistency_ramp_epochs"): 0,
}
# In the parts of an estimator, these follow from the data or from the weight of a loss term.
DERIVED = {"widths", "n_outputs", "names", "task", "modality_outputs"}


def parameters_of(cls):
    """Defaults by name, with those that are passed on to the base class."""
    found = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("sklearn_align") and "__init__" in vars(base):
            found |= signature(base).parameters
    return {
        name: parameter.default
        for name, parameter in found.items()
        if parameter.kind not in (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL)
        and (cls in ESTIMATORS or name not in DERIVED)
    }


def common_default(name):
    """Default of every owner without an exception; they must agree."""
    defaults = [
        parameters_of(cls)[name]
        for cls in OWNERS
        if cls.__name__ in PARAMETERS[name].owners and (cls.__name__, name) not in BY_OWNER
    ]
    assert all(value == defaults[0] for value in defaults), (name, defaults)
    return defaults[0]


def test_owners_exist():
    names = {cls.__name__ for cls in OWNERS}
    assert set().union(*(parameter.owners for parameter in PARAMETERS.values())) == names


def test_every_parameter_of_an_estimator_has_one_topic():
    topics = [name for names in TOPICS.values() for name in names]
    assert len(topics) == len(set(topics))
    assert set(topics) == set().union(*(owned_by(cls.__name__) for cls in ESTIMATORS))


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_every_parameter_of_an_estimator_is_in_the_table(cls):
    assert set(parameters_of(cls)) == set(owned_by(cls.__name__))
    assert set(cls._parameter_constraints) == set(owned_by(cls.__name__))


@pytest.mark.parametrize("cls", [AECFModule, ContrastiveModule, AECFLoss, ContrastiveLoss])
def test_the_parts_have_the_parameters_that_the_table_gives_them(cls):
    assert set(owned_by(cls.__name__)) <= set(parameters_of(cls))
    if cls is not ContrastiveModule:  # It inherits parameters that its estimator sets.
        assert set(owned_by(cls.__name__)) == set(parameters_of(cls))


@pytest.mark.parametrize("name", PARAMETERS)
def test_one_default(name):
    common_default(name)


@pytest.mark.parametrize(("owner", "name"), BY_OWNER)
def test_exceptions(owner, name):
    cls = {cls.__name__: cls for cls in OWNERS}[owner]
    assert parameters_of(cls)[name] == BY_OWNER[owner, name] != common_default(name)


def documented_defaults(cls):
    """Texts after "default=" by name of the parameter."""
    found = {}
    section = getdoc(cls).partition("Parameters\n----------\n")[2]
    section = re.split(r"\n\n?[A-Z][\w ]+\n-{3,}\n", section)[0]
    for names, text in re.findall(
        r"^([\w, ]+) : (.*(?:\n +default=.*)?)$", section, flags=re.MULTILINE
    ):
        default = re.search(r"default=(.+)$", text)
        if default:
            values, names_ = default[1].split(" and "), names.split(", ")
            values = values * len(names_) if len(values) == 1 else values
            found |= dict(zip(names_, values, strict=True))
    return found


def written(value):
    if isinstance(value, type):
        return {value.__name__, f"torch.optim.{value.__name__}"}
    if isinstance(value, float):
        return {repr(value), f"{value:g}", f"{value:.0e}".replace("e-0", "e-")}
    return {repr(value), f'"{value}"' if isinstance(value, str) else repr(value)}


@pytest.mark.parametrize("cls", [*OWNERS, AECFConfig])
def test_documented_defaults(cls):
    documented = documented_defaults(cls)
    defaults = {
        name: value for name, value in parameters_of(cls).items() if value is not Parameter.empty
    }
    for name, text in documented.items():
        if name in defaults:
            assert text in written(defaults[name]), name
    if cls in ESTIMATORS or cls is AECFConfig:
        assert set(documented) == set(defaults)


@pytest.mark.parametrize("name", AECFConfig().to_params())
def test_the_configuration_has_the_published_values(name):
    published = PARAMETERS[name].published
    expected = common_default(name) if published is None else published
    assert AECFConfig().to_params()[name] == expected


def test_fields_of_the_configuration_that_are_not_published_values():
    fields = {field.name: field.default for field in dataclasses.fields(AECFConfig)}
    others = {name: fields[name] for name in set(fields) - set(AECFConfig().to_params())}
    assert others == {"modalities": None, "task_type": None, "num_classes": None, "feat_dim": 512}


def test_every_published_value_is_in_the_configuration():
    published = {name for name, parameter in PARAMETERS.items() if parameter.published is not None}
    assert published <= {field.name for field in dataclasses.fields(AECFConfig)}


def test_the_configuration_documents_each_learning_rate():
    doc = getdoc(AECFConfig)
    assert re.search(r"\nlr : float, default=1e-4\n +Learning rate of all parts except", doc)
    assert re.search(r"\ngate_lr : .*default=1e-3\n +Learning rate of the gate", doc)

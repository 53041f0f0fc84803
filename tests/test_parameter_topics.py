"""Parameters by topic: the lists in docstrings, and what the documentation makes of them."""

import importlib.util
import re
from inspect import Parameter, getdoc, signature
from pathlib import Path

import pytest
from docutils import nodes
from docutils.core import publish_doctree

from sklearn_align import AECFClassifier, AECFConfig, AECFEmbedder, AECFRegressor, MiniVec2Vec
from sklearn_align.fusion import AECFLoss, AECFModule
from sklearn_align.fusion._parameters import TOPICS

# Loaded by its path, as docs/ is no package.
SPEC = importlib.util.spec_from_file_location(
    "parameter_topics", Path(__file__).parents[1] / "docs" / "parameter_topics.py"
)
parameter_topics = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(parameter_topics)
group = parameter_topics.group

FUSION = [AECFClassifier, AECFRegressor, AECFEmbedder, AECFModule, AECFLoss, AECFConfig]
CLASSES = [MiniVec2Vec, *FUSION]

PAGE = """
Summary.

Parameters by topic:

- Search: `first`, `second`
- The rest: `third`,
  `**kwargs`

:Parameters:

    **first** : int
        Text of the first.

    **third** : int
        Text of the third.

    **second, fourth** : int, default=1 and 2
        Text of two.

    **\\*\\*kwargs** : object
        Others.

:Attributes:

    **first_** : int
        Text.
"""
COMPLETE = PAGE.replace("`second`", "`second`, `fourth`")


def list_in_docstring(cls):
    """Names by topic."""
    text = getdoc(cls).partition("Parameters by topic:\n\n")[2].partition("\n\n")[0]
    items = [item.partition(": ") for item in re.split(r"^- ", text, flags=re.MULTILINE)[1:]]
    return {title: re.findall(r"`([^`]+)`", names) for title, _, names in items}


@pytest.mark.parametrize("cls", CLASSES)
def test_each_parameter_has_one_topic(cls):
    names = [name for names in list_in_docstring(cls).values() for name in names]
    assert len(names) == len(set(names))
    # The constructor of AECFConfig takes any name to say which one was meant.
    parameters = {**signature(cls).parameters, **getattr(cls, "__dataclass_fields__", {})}
    expected = [
        f"**{name}" if getattr(parameter, "kind", None) is Parameter.VAR_KEYWORD else name
        for name, parameter in parameters.items()
        if getattr(parameter, "kind", None) is not Parameter.VAR_POSITIONAL
    ]
    assert set(names) == set(expected)


@pytest.mark.parametrize("cls", FUSION)
def test_topics_are_the_same_everywhere(cls):
    topic_of = {name: topic for topic, names in TOPICS.items() for name in names}
    listed = list_in_docstring(cls)
    assert list(listed) == [topic for topic in TOPICS if topic in listed]
    for topic, names in listed.items():
        assert {topic_of.get(name, topic) for name in names} == {topic}


@pytest.mark.parametrize("cls", CLASSES)
def test_lines_of_the_list_are_short(cls):
    text = cls.__doc__.partition("Parameters by topic:")[2].partition("    Parameters\n")[0]
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    assert [line for line in lines if line != line.rstrip()] == []


def test_parameters_are_grouped_in_the_order_of_the_list():
    page = publish_doctree(COMPLETE)
    assert group(page, "Class") == []
    body = next(page.findall(nodes.field)).children[1]
    assert [child.astext() for child in body.findall(nodes.rubric)] == ["Search", "The rest"]
    search, rest = (child for child in body.children if isinstance(child, nodes.definition_list))
    assert [parameter_topics.names_of(item) for item in search.children] == [
        ["first"],
        ["second", "fourth"],
    ]
    assert [parameter_topics.names_of(item) for item in rest.children] == [["third"], ["**kwargs"]]
    assert "Text of two." in search.astext()


def test_names_of_the_list_link_to_the_parameters():
    page = publish_doctree(COMPLETE)
    group(page, "Class")
    links = {link.astext(): link["refid"] for link in page.findall(nodes.reference)}
    anchors = [name for term in page.findall(nodes.term) for name in term["ids"]]
    assert list(links) == ["first", "second", "fourth", "third", "**kwargs"]
    assert len(set(links.values())) == 5
    assert set(links.values()) == set(anchors)


@pytest.mark.parametrize(
    ("page", "problems"),
    [
        (PAGE, ["fourth has no topic"]),
        (COMPLETE.replace("`third`", "`forth`"), ["no forth", "third has no topic"]),
        (COMPLETE.replace("`third`", "`third`, `first`"), ["first is listed twice"]),
        (
            COMPLETE.replace("`second`, `fourth`", "`second`").replace(
                "`third`", "`third`, `fourth`"
            ),
            ["fourth belongs to second"],
        ),
        (COMPLETE.partition(":Parameters:")[0], ["there is no section of parameters"]),
    ],
)
def test_what_does_not_fit_is_named(page, problems):
    assert group(publish_doctree(page), "Class") == problems


def test_a_class_without_the_list_is_left_as_it_is():
    text = PAGE.replace("by topic", "by name")
    page = publish_doctree(text)
    assert group(page, "Class") == []
    assert page.pformat() == publish_doctree(text).pformat()

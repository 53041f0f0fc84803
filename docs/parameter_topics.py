"""Sphinx extension: parameters of a class under the titles of its topics, each with an anchor.

The docstring of a class with many parameters lists them by topic, before its sections::

    Parameters by topic:

    - Search: `init`, `n_init`
    - Computation: `n_jobs`, `verbose`

On the page of the class the names of this list link to the parameters, and the section with the
parameters is put in the order of the list, with a title for each topic. A name that is missing from
the list or from the section is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.util import logging

INTRODUCTION = "Parameters by topic:"
SECTION = "Parameters"


def find_list(content: nodes.Element) -> nodes.bullet_list | None:
    """Return the list of topics among the children of a description, None if there is none."""
    for before, node in zip(content.children, content.children[1:], strict=False):
        if isinstance(node, nodes.bullet_list) and before.astext() == INTRODUCTION:
            return node
    return None


def find_section(content: nodes.Element) -> nodes.definition_list | None:
    """Return the definitions of the parameters, None if there are none."""
    for field in content.findall(nodes.field):
        name, body = field.children
        if name.astext() == SECTION and isinstance(body, nodes.Element):
            return next(body.findall(nodes.definition_list), None)
    return None


def names_of(item: nodes.Element) -> list[str]:
    """Return the names that a definition is about: several parameters may share one."""
    term = next(item.findall(nodes.term))
    strong = next(term.findall(nodes.strong), term)
    return [name.strip() for name in strong.astext().split(",")]


def read_topics(topics: nodes.bullet_list) -> Iterator[tuple[str, list[nodes.Element]]]:
    """Yield the title and the nodes of the names of every topic."""
    for item in topics.children:
        title = item.astext().partition(":")[0]
        yield title, list(item.findall(nodes.title_reference))


def group(content: nodes.Element, prefix: str) -> list[str]:
    """Group the parameters of a description in place, and return what does not fit."""
    topics, section = find_list(content), find_section(content)
    if topics is None:
        return []
    if section is None:
        return ["there is no section of parameters"]
    items = {name: item for item in section.children for name in names_of(item)}
    for name, item in items.items():
        next(item.findall(nodes.term))["ids"].append(f"{prefix}-{name}")
    problems: list[str] = []
    grouped: list[nodes.Element] = []
    placed: dict[str, str] = {}
    for title, references in read_topics(topics):
        definitions = nodes.definition_list(classes=list(section["classes"]))
        for reference in references:
            name = reference.astext()
            if name not in items:
                problems.append(f"no {name}")
            elif name in placed:
                problems.append(f"{name} is listed twice")
            else:
                link = nodes.reference("", "", internal=True, refid=f"{prefix}-{name}")
                link += nodes.literal(text=name)
                reference.replace_self(link)
                # Parameters that share a definition are in one topic.
                shared = [other for other in names_of(items[name]) if other in placed]
                if not shared:
                    definitions += items[name].deepcopy()
                elif placed[shared[0]] != title:
                    problems.append(f"{name} belongs to {shared[0]}")
                placed[name] = title
        grouped += [nodes.rubric(text=title), definitions]
    problems += [f"{name} has no topic" for name in items if name not in placed]
    if not problems:
        section.replace_self(grouped)
    return problems


def group_all(app: Any, doctree: nodes.document) -> None:
    """Group the parameters of every class of a page."""
    logger = logging.getLogger(__name__)
    for description in doctree.findall(addnodes.desc):
        signature, content = description.children[0], description.children[-1]
        if description["objtype"] == "class" and signature["ids"]:
            for problem in group(content, signature["ids"][0]):
                logger.warning("%s: %s", signature["ids"][0], problem, location=description)


def setup(app: Any) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("doctree-read", group_all)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""The check of the links of the built documentation."""

import importlib.util
from pathlib import Path

import pytest

# Loaded by its path, as docs/ is no package.
SPEC = importlib.util.spec_from_file_location(
    "check_links", Path(__file__).parents[1] / "docs" / "check_links.py"
)
check_links = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(check_links)
broken_links, main = check_links.broken_links, check_links.main

PAGES = {
    "index.html": '<h1 id="top"></h1><a href="api/one.html#there"></a><a href="#top"></a>'
    '<a href="api/"></a><img src="a%20picture.png"><a href="https://example.org/nothing"></a>'
    '<a href="mailto:me"></a>',
    "api/index.html": '<a href="../index.html"></a><a href="/api/one.html"></a>',
    "api/one.html": '<a name="there"></a><a href="../index.html?q=1#top"></a>',
}


@pytest.fixture
def site(tmp_path):
    (tmp_path / "api").mkdir()
    (tmp_path / "a picture.png").touch()
    for name, text in PAGES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_a_site_without_broken_links(site, capsys):
    assert broken_links(site) == []
    assert main(site) == 0
    assert "3 pages, 0 broken" in capsys.readouterr().out


@pytest.mark.parametrize(
    "link", ["gone.html", "api/one.html#gone", "#gone", "gone.png", "gone/", "../outside.html"]
)
def test_a_broken_link_is_named(site, capsys, link):
    (site.parent / "outside.html").touch()
    (site / "extra.html").write_text(f'<img src="{link}"><a href="{link}"></a>', encoding="utf-8")
    assert broken_links(site) == [f"extra.html: {link}"]
    assert main(site) == 1
    assert f"extra.html: {link}" in capsys.readouterr().out


def test_parts_of_pages_are_not_searched(site):
    (site / "_static").mkdir()
    (site / "_static" / "macro.html").write_text('<img src="{{ path }}">', encoding="utf-8")
    (site / "extra.html").write_text('<a href="_static/macro.html"></a>', encoding="utf-8")
    assert broken_links(site) == []


def test_an_empty_folder_is_an_error(tmp_path):
    assert main(tmp_path) == 1

"""The check of the links of the built documentation."""

import pytest

from tools.check_links import broken_links, main

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


def test_a_sound_site(site, capsys):
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


def test_an_empty_folder_is_no_sound_site(tmp_path):
    assert main(tmp_path) == 1

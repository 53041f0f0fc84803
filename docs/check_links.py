"""Check that every internal link of a built site has a target.

Run with the folder that holds the pages::

    python docs/check_links.py docs/_build/html

Every ``href`` and ``src`` without a host must name a file below the folder, and its fragment an
anchor of that file. Links to other hosts are not followed. Folders whose name begins with an
underscore hold parts of pages: links may lead to them, but they are not searched.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

PLACES = ("href", "src")
ANCHORS = ("id", "name")


class Page(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the links and the anchors of a tag."""
        for attribute, value in attrs:
            if attribute in PLACES and value:
                self.links.append(value)
            elif attribute in ANCHORS and value:
                self.anchors.add(value)


def list_pages(folder: Path) -> list[Path]:
    """Return the ``html`` files outside folders such as ``_static``."""
    return [
        path
        for path in sorted(folder.rglob("*.html"))
        if not any(part.startswith("_") for part in path.relative_to(folder).parts[:-1])
    ]


def broken_links(folder: Path) -> list[str]:
    """Return a line ``page: link`` for each internal link without a target, sorted."""
    folder = folder.resolve()
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in list_pages(folder)}
    broken = set()
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            start = folder if parts.path.startswith("/") else path.parent
            target = (start / unquote(parts.path).lstrip("/")).resolve() if parts.path else path
            if target.is_dir():
                target = target / "index.html"
            found = target.is_file() and target.is_relative_to(folder)
            if found and parts.fragment and target in pages:
                found = unquote(parts.fragment) in pages[target].anchors
            if not found:
                broken.add(f"{path.relative_to(folder).as_posix()}: {link}")
    return sorted(broken)


def main(folder: Path) -> int:
    """Print the broken links and return their number, or 1 when there is no page at all."""
    n_pages = len(list_pages(folder))
    if not n_pages:
        print(f"{folder} contains no page")
        return 1
    broken = broken_links(folder)
    print("\n".join([*broken, f"{n_pages} pages, {len(broken)} broken internal links"]))
    return min(len(broken), 100)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

"""Addresses of pictures: which may be asked for, under which other names they live, and where a folder keeps them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

RENAMED = {"i.stack.imgur.com": "i.sstatic.net", "i.sstatic.net": "i.stack.imgur.com"}
"""The site moved its pictures in 2024; each is at both hosts under the same path."""


def problem(url: str, hosts: Collection[str]) -> str:
    """Why an address is not asked for, or "": only http(s), only these hosts, no credentials, nothing hidden."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "not an address"
    if any(ord(character) <= 32 or ord(character) == 127 for character in url) or "\\" in url:
        return "white space or control characters in it"
    if parts.scheme not in ("http", "https"):
        return f"the scheme {parts.scheme!r}"
    if "@" in parts.netloc:
        return "a user in it"
    host = (parts.hostname or "").rstrip(".")
    named = host if port in (None, 80, 443) else f"{host}:{port}"
    return "" if named in hosts else f"the host {named}"


def names(url: str) -> list[str]:
    """The address and the one it has at the renamed host."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return [url]
    other = RENAMED.get(parts.netloc.lower())
    return [url, urlunsplit(parts._replace(netloc=other))] if other else [url]


def places(folder: Path, url: str) -> Iterator[Path]:
    """Where a local folder may hold it: HOST/PATH for either host, or the file's name. Never outside the folder."""
    for name in names(url):
        try:
            parts = urlsplit(name)
        except ValueError:
            return
        steps = [step for step in unquote(parts.path).split("/") if step not in ("", ".", "..")]
        if steps and "\x00" not in parts.path and "%00" not in parts.path:
            yield folder.joinpath(parts.hostname or "", *steps)
            yield folder / steps[-1]

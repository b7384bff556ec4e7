"""What keeps a drawn page out of the data, each with its reason: pure functions of the page and its picture."""

from __future__ import annotations

import PIL.Image

from viscodex.core.errors import visible
from viscodex.data.checks import ink, is_single_colour
from viscodex.data.html.settings import Settings
from viscodex.runner.stage import Reject
from viscodex.sandbox.pages import Page, TextBlock

SLACK = 2
"""Pixels that a page may be wider than its window, or a text stand out of it: rounding and italics."""


def problem_of_page(page: Page, settings: Settings) -> Reject | None:
    """Why the page is not wanted, as far as the browser tells; the first reason that holds."""
    if page.status == "too_large":
        reason = "too_tall" if page.height > settings.max_height else "overflow"
        return Reject(reason, page.detail)
    if not page.ok:
        return Reject("page_error", f"{page.status}: {visible(page.detail, 200)}")
    if page.blocked_urls:
        return Reject("external_fetch", visible(", ".join(page.blocked_urls), 200))
    if page.console_errors:
        return Reject("console_error", visible(page.console_errors[0], 200))
    if page.dialogs:
        return Reject("page_error", f"opens a dialog: {visible(page.dialogs[0], 100)}")
    return _problem_of_size(page, settings) or _problem_of_text(page, settings)


def _problem_of_size(page: Page, settings: Settings) -> Reject | None:
    content = page.captures[0].value if page.captures else page.height
    height = content if isinstance(content, int | float) else page.height
    height = max([height, *(block.y + block.height for block in seen(page))])
    if height < settings.min_height:
        return Reject("too_short", f"{height:.0f} pixels of content")
    if page.height > settings.max_height:
        return Reject("too_tall", f"{page.height} pixels")
    if page.width > settings.width + SLACK:
        return Reject("overflow", f"{page.width} pixels wide")
    return None


def _problem_of_text(page: Page, settings: Settings) -> Reject | None:
    for block in seen(page):
        if block.x < -SLACK or block.x + block.width > page.width + SLACK:
            return Reject("overflow", f"cut at the edge: {visible(block.text, 80)}")
    characters = visible_characters(page)
    if characters < settings.min_text:
        return Reject("little_text", f"{characters} visible characters")
    return None


def problem_of_picture(picture: PIL.Image.Image, settings: Settings) -> Reject | None:
    """Why the picture is not wanted."""
    if is_single_colour(picture):
        return Reject("single_colour", "every pixel has the same colour")
    share = ink(picture)
    return Reject("little_ink", f"{share:.2%} of the picture") if share < settings.min_ink else None


def seen(page: Page) -> list[TextBlock]:
    """The texts that are at least partly on the page: what is moved out of sight for screen readers is not."""
    return [
        block
        for block in page.text_blocks
        if block.visible
        and block.alpha > 0
        and block.x < page.width
        and block.x + block.width > 0
        and block.y < page.height
        and block.y + block.height > 0
    ]


def visible_characters(page: Page) -> int:
    """Letters, digits and signs of the visible text, spaces not counted."""
    return sum(len("".join(block.text.split())) for block in seen(page))

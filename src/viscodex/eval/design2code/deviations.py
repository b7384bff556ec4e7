"""Where `fixed` differs from the published scorer. Numbers are given for good."""

from __future__ import annotations

from viscodex.eval.benchmark import Deviation

DEVIATIONS = (
    Deviation(
        "D2C-001",
        "A prediction is cut where its text begins to repeat itself, at a place that confuses pages with and without "
        "their tags; style sheets that repeat declarations cut whole pages away. Identical elements are deleted from "
        "the 51st on.",
        "Nothing is cut or deleted.",
    ),
    Deviation(
        "D2C-002",
        "The prediction is parsed by html.parser and written again before it is drawn; the reference is not.",
        "Both pages are drawn as they are.",
    ),
    Deviation(
        "D2C-003",
        "Texts and colours come from html.parser's tree, which closes and implies no elements.",
        "Both come from the browser's tree of the live page, script and noscript texts aside.",
    ),
    Deviation(
        "D2C-004",
        "Only p, h1–h6, div, span, a, b, li, table, td, th, button, footer, header and figcaption are painted: text "
        "that stands directly in main, section, strong, em, label and others is not seen, or seen in another's box.",
        "Every element that owns text is painted, and is a block.",
    ),
    Deviation(
        "D2C-005",
        "A page with more than 4,096 text elements fails.",
        "It is painted in several passes; more than 32,768 fail.",
    ),
    Deviation(
        "D2C-006",
        "Text that is filled otherwise than by its colour (gradients, drawings) is not seen.",
        "It is painted in its fill.",
    ),
    Deviation(
        "D2C-007",
        "A block at an end of the page has fewer neighbours and so a smaller bonus: where texts occur more than once, "
        "a page may be matched crosswise with itself. Among equally good matchings any is taken.",
        "The ends of both pages count as neighbours that match; among equally good matchings the nearest is taken, so "
        "that a page compared with itself scores 1.",
    ),
    Deviation(
        "D2C-008",
        "A page that cannot be drawn is a white picture of 1280 × 960, which CLIP then likes more or less.",
        "It has failed, with a reason, and scores 0 in everything.",
    ),
    Deviation(
        "D2C-009",
        "An answer without HTML is a page with the answer as its text.",
        "It has failed (no_page). The page in an answer is found as everywhere in viscodex: reasoning, prose and "
        "several code blocks are understood.",
    ),
    Deviation(
        "D2C-010",
        "Text inside an element that is partly transparent, filtered or blended is not seen, where that element is not "
        "painted itself; text that is wholly transparent is seen in the colour behind it.",
        "Veiled text is seen, in the colour it has on the page; text that is wholly transparent is not.",
    ),
)

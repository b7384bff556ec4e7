"""Where `fixed` differs from the published evaluator. Numbers are for good: a row may end, its number is not reused."""

from __future__ import annotations

from viscodex.eval.benchmark import Deviation

DEVIATIONS = (
    Deviation(
        "CM-001",
        "everything after the first `plt.savefig(` or `plt.show(` is cut off, definitions and calls included",
        "only these calls are taken out; what follows them runs",
    ),
    Deviation(
        "CM-002",
        "only the first closed block fenced as ```python counts",
        "the longest Python block counts, however it is fenced, and code without a fence",
    ),
    Deviation(
        "CM-003",
        "texts written over several lines are indented by four spaces in the answer, not in the reference",
        "the script runs as it was written",
    ),
    Deviation("CM-004", "neither side has text: 0; the same for layout and types", "neither has: 1"),
    Deviation("CM-005", "a reference without colours ends the evaluator; counted as 0", "1 if the answer has none"),
    Deviation(
        "CM-006",
        "PDFs that the answer saves itself add their text, ticks included, to that of its figure",
        "the figure's text counts once",
    ),
    Deviation(
        "CM-007",
        "a figure that the script closed or cleared is an empty one without text and layout",
        "the figure that was saved or closed last is what was drawn, before the script's end cleared it",
    ),
    Deviation("CM-008", "a script that makes no figure has executed: an empty one is saved", "it has failed"),
    Deviation(
        "CM-009",
        "after an exception inside a traced call nothing is seen, even where the script goes on",
        "calls after it count",
    ),
    Deviation(
        "CM-010",
        "seaborn fails, or draws otherwise, where its functions have lost their names to a tracer",
        "tracers keep names; types and colours are complete",
    ),
    Deviation(
        "CM-011",
        "a bar given a colour by name after it was drawn, or an empty part of a Venn diagram, leaves no colours at all",
        "every colour that can be read counts",
    ),
    Deviation(
        "CM-012",
        "circles and ellipses are one type and one group of colours; 3-D bars and scatters are flat ones' types",
        "each is its own",
    ),
    Deviation(
        "CM-013",
        "on axes derived from polar ones, lines are of the type of plain ones, and their colours are not seen",
        "they are polar lines",
    ),
    Deviation(
        "CM-014",
        "of more than ten colours, similar ones are dropped in the order of a set, which differs between runs",
        "they are dropped in sorted order",
    ),
    Deviation(
        "CM-015",
        "the score of an item whose evaluation failed is that of the item before it (not reproduced: 0)",
        "0, with the reason",
    ),
    Deviation(
        "CM-016",
        "the judge sees PDFs turned into pictures, at 350 dpi",
        "the judge sees what Agg draws, at 350 dpi or as near as 25 megapixels allow; one picture for both protocols",
    ),
)

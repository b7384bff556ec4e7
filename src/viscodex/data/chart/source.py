"""Scripts as text and as syntax: what they import, whether they draw, and lines taken out without touching others."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Iterator

PLOTTING = ("matplotlib", "pylab", "seaborn", "squarify", "matplotlib_venn", "mpl_toolkits")
PYPLOT = "matplotlib.pyplot"
# fmt: off
DRAWING = frozenset({
    "plot", "bar", "barh", "hist", "hist2d", "hexbin", "scatter", "pie", "boxplot", "bxp", "violinplot", "violin",
    "imshow", "matshow", "spy", "contour", "contourf", "tricontour", "tricontourf", "tripcolor", "triplot",
    "pcolor", "pcolormesh", "fill", "fill_between", "fill_betweenx", "stackplot", "errorbar", "stem", "step",
    "stairs", "eventplot", "quiver", "barbs", "streamplot", "polar", "loglog", "semilogx", "semilogy", "plot_date",
    "broken_barh", "hlines", "vlines", "specgram", "psd", "csd", "cohere", "xcorr", "acorr", "magnitude_spectrum",
    "table", "add_patch", "add_collection", "add_artist", "add_line", "ecdf", "plot_surface", "plot_wireframe",
    "plot_trisurf", "bar3d", "voxels", "contour3D", "add_collection3d", "scatter3D", "plot3D", "text", "annotate",
    "axline", "axhline", "axvline", "axhspan", "axvspan", "lineplot", "scatterplot", "barplot", "countplot",
    "histplot", "kdeplot", "ecdfplot", "rugplot", "stripplot", "swarmplot", "boxenplot", "pointplot", "regplot",
    "residplot", "lmplot", "heatmap", "clustermap", "pairplot", "jointplot", "relplot", "displot", "catplot",
    "draw", "draw_networkx", "draw_networkx_nodes", "draw_networkx_edges", "draw_circular", "draw_spring",
    "draw_shell", "venn2", "venn3", "parallel_coordinates", "scatter_matrix", "figimage", "clabel", "quiverkey",
    "Sankey", "add", "radviz", "andrews_curves",
})
# fmt: on


def parsed(code: str) -> ast.Module | None:
    """The syntax tree; None when it is no Python."""
    try:
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def imports(tree: ast.AST) -> Iterator[tuple[str, str, ast.stmt]]:
    """(module, name it is bound to, statement) of every import; relative ones begin with a dot, `*` binds "*"."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, alias.asname or alias.name.partition(".")[0], node
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for alias in node.names:
                yield f"{module}.{alias.name}", alias.asname or alias.name, node


def is_below(name: str, packages: Iterable[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def pyplot_name(tree: ast.AST) -> str:
    """What pyplot is called in a script; "" when it is not imported by name."""
    for module, name, node in imports(tree):
        if module == PYPLOT:
            is_whole = isinstance(node, ast.Import) and name == "matplotlib"
            return PYPLOT if is_whole else name
    return ""


def called(node: ast.Call) -> str:
    """The last name of what is called: `plot` of `axes[0].plot(…)`."""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def root(node: ast.expr) -> str:
    """The first name of a dotted, indexed, called expression: `plt` of `plt.gca().lines[0]`."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def draws(tree: ast.AST) -> bool:
    """Whether something in it calls a function that draws."""
    return any(isinstance(node, ast.Call) and called(node) in DRAWING for node in ast.walk(tree))


def first_line(node: ast.stmt) -> int:
    """Decorators included."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def lines_of(node: ast.stmt) -> range:
    return range(first_line(node), (node.end_lineno or node.lineno) + 1)


def without_lines(code: str, dropped: Iterable[int], replaced: dict[int, str] | None = None) -> str:
    """Some lines taken out (counted from 1), others replaced; at most two empty lines in a row stay."""
    gone = set(dropped)
    replaced = replaced or {}
    kept = [replaced.get(number, line) for number, line in _numbered(code) if number in replaced or number not in gone]
    written: list[str] = []
    for line in kept:
        if line.strip() or (written and (written[-1].strip() or (len(written) > 1 and written[-2].strip()))):
            written.append(line.rstrip() if not line.strip() else line)
    return "\n".join(written).strip("\n") + "\n"


def _numbered(code: str) -> Iterator[tuple[int, str]]:
    """Lines as the parser counts them: form feeds and the like end none."""
    return enumerate(code.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1)

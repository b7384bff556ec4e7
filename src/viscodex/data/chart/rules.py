"""What a script must not be or do, read from its text alone, each with its reason. The sandbox holds without them:
they are about what belongs into the data."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from viscodex.core.errors import visible
from viscodex.data.chart.settings import Settings
from viscodex.data.chart.source import PLOTTING, called, draws, imports, is_below, parsed, root
from viscodex.runner.stage import Reject

# fmt: off
ALLOWED = (
    *PLOTTING, "numpy", "pandas", "scipy", "networkx", "__future__", "abc", "array", "bisect", "calendar", "cmath",
    "collections", "colorsys", "contextlib", "copy", "dataclasses", "datetime", "decimal", "enum", "fractions",
    "functools", "heapq", "io", "itertools", "json", "locale", "logging", "math", "numbers", "operator", "random",
    "re", "statistics", "string", "textwrap", "time", "types", "typing", "unicodedata", "warnings", "dateutil",
    "pytz", "cycler",
)
FORBIDDEN = {
    "file_use": ("os", "pathlib", "shutil", "tempfile", "glob", "zipfile", "tarfile", "gzip", "bz2", "lzma", "sqlite3",
                 "csv", "fileinput", "linecache", "scipy.io", "matplotlib.image.imread", "matplotlib.image.imsave",
                 "matplotlib.cbook.get_sample_data", "io.open", "shelve", "configparser", "PIL"),
    "network_use": ("socket", "ssl", "urllib", "urllib2", "http", "requests", "httpx", "aiohttp", "ftplib", "smtplib",
                    "xmlrpc", "webbrowser", "socketserver", "asyncio", "scipy.datasets"),
    "process_use": ("subprocess", "multiprocessing", "threading", "concurrent", "signal", "sys", "ctypes", "resource",
                    "sched", "atexit", "pty", "joblib"),
    "eval_use": ("pickle", "marshal", "importlib", "runpy", "code", "codeop", "builtins", "inspect", "gc", "dill"),
    "forbidden_import": ("matplotlib.animation", "matplotlib.widgets", "matplotlib.testing", "matplotlib.backends"),
}
NAMES = {"open": "file_use", "eval": "eval_use", "exec": "eval_use", "compile": "eval_use", "__import__": "eval_use",
         "globals": "eval_use", "input": "process_use", "breakpoint": "process_use", "exit": "process_use",
         "quit": "process_use", "memoryview": "eval_use"}
FILE_METHODS = frozenset({
    "savefig", "imread", "imsave", "loadtxt", "genfromtxt", "savetxt", "fromfile", "tofile", "memmap", "savez",
    "savez_compressed", "open_memmap", "loadmat", "savemat", "get_sample_data", "to_csv", "to_excel", "to_json",
    "to_parquet", "to_pickle", "to_html", "to_hdf", "to_sql", "to_feather", "to_stata", "ExcelFile", "ExcelWriter",
    "HDFStore", "print_figure", "write_text", "write_bytes", "read_text", "read_bytes", "read_edgelist", "read_gml",
    "read_graphml", "write_gml", "write_graphml", "write_edgelist", "dump",
})
NETWORK_METHODS = frozenset({"load_dataset", "urlopen", "urlretrieve", "fetch_openml"})
CLOCKS = {("datetime", "now"), ("datetime", "today"), ("datetime", "utcnow"), ("date", "today"), ("time", "time"),
          ("Timestamp", "now"), ("Timestamp", "today"), ("time", "perf_counter"), ("time", "localtime"),
          ("time", "ctime"), ("time", "time_ns"), ("time", "monotonic"), ("time", "perf_counter_ns")}
# fmt: on
READERS = "read_"
INLINE = frozenset({"StringIO", "BytesIO"})
PROPER = frozenset({"__name__", "__doc__", "__init__", "__version__", "__call__", "__len__", "__iter__", "__class__"})


def problem(code: str, settings: Settings) -> Reject | None:
    """The first rule that a script breaks."""
    tree = parsed(code)
    if tree is None:
        return Reject("syntax_error", _syntax(code))
    if broken := next(_forbidden(tree), None):
        return broken
    lines = sum(1 for line in code.splitlines() if line.strip())
    if lines < settings.min_lines:
        return Reject("too_few_lines", str(lines))
    if lines > settings.max_lines:
        return Reject("too_many_lines", str(lines))
    if not draws(tree):
        return Reject("no_plot", "calls nothing that draws")
    return None


def _syntax(code: str) -> str:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return visible(str(error), 200)
    return "does not parse"


def _forbidden(tree: ast.Module) -> Iterator[Reject]:
    for module, _, statement in imports(tree):
        if reason := import_problem(module):
            yield Reject(reason, f"line {statement.lineno}: imports {visible(module, 80)}")
    inline = _inline_texts(tree)
    for node in ast.walk(tree):
        if reason := _use(node, inline):
            text = visible(ast.unparse(node), 80)
            yield Reject(reason, f"line {getattr(node, 'lineno', 0)}: {text}")


def import_problem(module: str) -> str:
    """Why a module may not be imported; "" when it may. `module` may end with the name that is taken from it."""
    for reason, packages in FORBIDDEN.items():
        if is_below(module, packages):
            return reason
    return "" if is_below(module, ALLOWED) else "forbidden_import"


def _use(node: ast.AST, inline: set[str]) -> str:
    """Which rule a piece of syntax breaks."""
    if isinstance(node, ast.Call):
        return _call(node, inline)
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in NAMES:
        return NAMES[node.id]
    if isinstance(node, ast.Attribute) and _is_inner(node.attr):
        return "eval_use"
    return ""


def _is_inner(name: str) -> bool:
    return name.startswith("__") and name.endswith("__") and name not in PROPER


def _call(node: ast.Call, inline: set[str]) -> str:
    name = called(node)
    if not isinstance(node.func, ast.Attribute):
        return ""
    if name in FILE_METHODS or (name == "load" and root(node) in ("np", "numpy", "json", "joblib")):
        return "file_use"
    if name == "save" and root(node) not in ("self",):
        return "file_use"
    if name in NETWORK_METHODS:
        return "network_use"
    if name.startswith(READERS) and not _reads_inline(node, inline):
        return "file_use"
    owner = node.func.value
    last = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
    return "clock_use" if (last, name) in CLOCKS else ""


def _reads_inline(node: ast.Call, inline: set[str]) -> bool:
    """Whether `pd.read_csv(…)` reads a text that stands in the script."""
    first = node.args[0] if node.args else None
    if isinstance(first, ast.Call):
        return called(first) in INLINE
    return isinstance(first, ast.Name) and first.id in inline


def _inline_texts(tree: ast.Module) -> set[str]:
    """Names that hold a text as a file: `data = StringIO("…")`."""
    return {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and called(node.value) in INLINE
        for target in node.targets
        if isinstance(target, ast.Name)
    }

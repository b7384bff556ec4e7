"""The pinned environment that charts are run in: matplotlib 3.8.4 and what goes with it, whatever viscodex itself uses.

A virtual environment of its own, made once for each user (for root, once for the machine) and shown read-only to the
sandbox. Its content is hashed, and every chart carries the hash: pictures and scores depend on it.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from viscodex.core.errors import VisCodexError
from viscodex.core.rundir import publish, read_json, remove_tree, write_json
from viscodex.sandbox.identity import reachable

PLACE_VARIABLE = "VISCODEX_CHART_ENV"
PYTHON_VARIABLE = "VISCODEX_CHART_PYTHON"
CONSTRAINTS = Path(__file__).with_name("constraints-chart.txt")
VERSIONS = ("3.11", "3.12")
"""Pythons that every pinned version has wheels for; 3.11 is the reference."""
FONT_CACHE = "matplotlib"
"""Folder with the list of fonts that matplotlib brings itself; the machine's own fonts are not in it."""
_MANIFEST = "environment.json"
_COMMAND = "viscodex sandbox charts-setup"

_LIST_FONTS = """
import sys
import matplotlib.font_manager as fonts
find = fonts.findSystemFonts
fonts.findSystemFonts = lambda fontpaths=None, fontext="ttf": find(fontpaths, fontext) if fontpaths else []
manager = fonts.FontManager()
for fonts_of_a_kind in (manager.ttflist, manager.afmlist):
    fonts_of_a_kind.sort(key=lambda font: font.fname)  # they come in the order of a set
fonts.json_dump(manager, f"{sys.argv[1]}/fontlist-v{fonts.FontManager.__version__}.json")
"""
_ABOUT = """
import json, platform, sys
print(json.dumps({"version": platform.python_version(), "machine": platform.machine(), "prefix": sys.base_prefix}))
"""


@dataclass(frozen=True)
class ChartEnvironment:
    """A finished environment."""

    path: Path
    hash: str
    """SHA-256 over every installed file, the fonts and the version of Python."""
    python_version: str
    base: str
    """Where its Python lives."""
    packages: dict[str, str]

    @property
    def python(self) -> str:
        return str(self.path / "bin" / "python")

    @property
    def font_cache(self) -> Path:
        return self.path / FONT_CACHE


def default_place() -> Path:
    """Where the environment is looked for: $VISCODEX_CHART_ENV, else a folder for this recipe among the user's data.

    Root's home is closed to the identity that charts run as, so root's environment lies in /var/lib.
    """
    if override := os.environ.get(PLACE_VARIABLE):
        return Path(override).absolute()
    home = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    data = Path("/var/lib") if os.geteuid() == 0 else home
    return data / "viscodex" / f"chart-{_recipe()[:12]}"


def require(place: Path | None = None) -> ChartEnvironment:
    """The environment, or an error that says how to make it."""
    place = place or default_place()
    if not (place / _MANIFEST).is_file():
        raise VisCodexError("charts need an environment of their own, and it is not there", str(place), _COMMAND)
    manifest = read_json(place / _MANIFEST)
    if manifest["pinned"] != sorted(_pinned()):
        raise VisCodexError("the chart environment holds other versions than this viscodex", str(place), _COMMAND)
    if manifest.get("recipe") != _recipe():
        raise VisCodexError("the chart environment was made by another viscodex, in another way", str(place), _COMMAND)
    environment = ChartEnvironment(
        place, manifest["hash"], manifest["python"], manifest["base"], dict(p.split("==") for p in manifest["pinned"])
    )
    _assert_open_to_charts(place)
    return environment


def _assert_open_to_charts(place: Path) -> None:
    """Of a place that is still to be made, look at the nearest folder above it that is there."""
    while not place.exists():
        place = place.parent
    if not reachable(str(place)):
        problem = "charts run as an unprivileged user, who cannot read this folder"
        raise VisCodexError(problem, str(place), f"{PLACE_VARIABLE}=/opt/viscodex-charts {_COMMAND}")


def make(place: Path | None = None, *, anew: bool = False) -> ChartEnvironment:
    """The environment, installed from PyPI (~90 MB, under a minute) if it is not there yet, or `anew`."""
    place = place or default_place()
    if not anew and (place / _MANIFEST).is_file() and read_json(place / _MANIFEST).get("recipe") == _recipe():
        return require(place)
    _assert_open_to_charts(place)
    python = base_python()
    partial = place.with_name(f"{place.name}.{os.getpid()}.partial")
    place.parent.mkdir(parents=True, exist_ok=True)
    if not reachable(str(place.parent)):  # we have just made it, under a strict umask
        place.parent.chmod(0o755)
    partial.mkdir()
    try:
        _run([python, "-m", "venv", "--without-pip", str(partial)], "make a virtual environment")
        _run([*_installer(partial / "bin" / "python"), "--no-deps", "--only-binary", ":all:", "-r", str(CONSTRAINTS)])
        _list_fonts(partial)
        _tidy(partial)
        write_json(partial / _MANIFEST, _manifest(partial))
        remove_tree(place)
        publish(partial, place)
    finally:
        remove_tree(partial)
    return require(place)


def base_python() -> str:
    """A Python that the pinned versions have wheels for and that the sandbox can show to charts."""
    candidates: list[str | None] = [os.environ.get(PYTHON_VARIABLE), getattr(sys, "_base_executable", sys.executable)]
    candidates += [shutil.which(f"python{v}", path=p) for v in VERSIONS for p in (os.environ.get("PATH"), "/usr/bin")]
    for candidate in filter(None, candidates):
        resolved = Path(candidate).resolve()
        if resolved.is_file() and reachable(str(resolved)) and _version(str(resolved)) in VERSIONS:
            return str(resolved)
    raise VisCodexError(
        f"charts need Python {' or '.join(VERSIONS)} in a place that every user can read",
        hint=f"apt install python3.11, or {PYTHON_VARIABLE}=/path/to/python3.11 {_COMMAND}",
    )


def _version(python: str) -> str:
    command = [python, "-I", "-S", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _installer(python: Path) -> list[str]:
    """The command that installs into that environment: our own pip, else uv."""
    if importlib.util.find_spec("pip") is not None:
        own = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
        return [*own, "install", "--quiet", "--no-warn-script-location"]
    if (uv := shutil.which("uv")) is not None:
        return [uv, "pip", "install", "--quiet", "--python", str(python), "--compile-bytecode"]
    raise VisCodexError("neither pip nor uv is there to make the chart environment", hint="python -m ensurepip")


def _run(command: list[str], aim: str = "install the pinned versions") -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise VisCodexError(f"could not {aim} for charts: {lines[-1] if lines else done.returncode}", " ".join(command))
    return done.stdout


def _list_fonts(place: Path) -> None:
    """Write matplotlib's font list now, so that no run ever looks for fonts."""
    cache = place / FONT_CACHE
    cache.mkdir()
    command = [str(place / "bin" / "python"), "-I", "-c", _LIST_FONTS, str(cache)]
    with tempfile.TemporaryDirectory() as home:
        environment = {"PATH": "/usr/bin:/bin", "HOME": home, "MPLBACKEND": "Agg"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0 or not any(cache.glob("fontlist-*.json")):
        raise VisCodexError(f"could not list matplotlib's fonts: {done.stderr.strip()[-200:]}", str(place))


def _tidy(place: Path) -> None:
    """Leave nothing that names the folder it was made in, and let every user read the rest."""
    for script in (place / "bin").iterdir():
        if not script.name.startswith("python"):
            script.unlink()
    for path in (place, *place.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))


def fingerprint(place: Path) -> str:
    """SHA-256 over every installed file (as its package records it), the fonts and the version of Python."""
    about = _about(place)
    digest = hashlib.sha256(f"{about['version']} {about['machine']}\n".encode())
    for line in sorted(_contents(place)):
        digest.update(line.encode() + b"\n")
    return digest.hexdigest()


def _manifest(place: Path) -> dict[str, object]:
    about = _about(place)
    facts = {"python": about["version"], "machine": about["machine"], "base": about["prefix"], "recipe": _recipe()}
    return {"hash": fingerprint(place)} | facts | {"pinned": sorted(_pinned())}


def _about(place: Path) -> dict[str, str]:
    command = [str(place / "bin" / "python"), "-I", "-c", _ABOUT]
    return dict(json.loads(_run(command, "ask the new Python for its version")))


def _contents(place: Path) -> Iterator[str]:
    """`path hash` of every installed file but byte code and the installer's own notes, and of the font list."""
    for record in place.glob("lib/python3.*/site-packages/*.dist-info/RECORD"):
        with record.open(newline="", encoding="utf-8") as file:
            for name, digest, _ in csv.reader(file):
                if digest and ".dist-info/" not in name and not name.startswith(".."):
                    yield f"{name} {digest}"
    for path in (place / FONT_CACHE).glob("*.json"):
        yield f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}"


def _recipe() -> str:
    """Of what an environment is made, and how: made otherwise, the same versions have other contents."""
    return hashlib.sha256(CONSTRAINTS.read_bytes() + _LIST_FONTS.encode()).hexdigest()


def _pinned() -> list[str]:
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]

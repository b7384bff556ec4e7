"""Every language compiles, runs, fails to compile and fails to run, each told apart from the others."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.sandbox.language_programs import BROKEN, OBEDIENT

from viscodex.core.errors import UsageError
from viscodex.sandbox.languages import java_entry, java_source
from viscodex.sandbox.limits import MIB, Limits
from viscodex.sandbox.profiles import OPTIONAL, debian_packages, names, npm_packages, profiles
from viscodex.sandbox.programs import prepare, toolchain

ENDINGS = {
    "hello": "ok",
    "double": "ok",
    "fail": "error",
    "spin": "timeout",
    "hoard": "memory",
    "chat": "output_limit",
}
LIMITS = Limits(cpu_s=20, wall_s=90, memory=256 * MIB, stdout=20_000)
IMPATIENT = replace(LIMITS, cpu_s=2)
"""Only for what is meant to use up its time: elsewhere a slow machine would decide which limit is met first."""


@pytest.fixture(params=names())
def language(request: pytest.FixtureRequest) -> str:
    if missing := toolchain(request.param).missing:
        if request.param in OPTIONAL:
            pytest.skip(missing)
        pytest.fail(missing)
    return request.param


@pytest.mark.slow
def test_every_language_greets_reads_fails_and_meets_each_limit(language):
    """One program, compiled once and run six times, each time in a box of its own."""
    program = prepare(language, OBEDIENT[language], LIMITS)
    assert program.readiness == "ready", program.compilation
    assert program.toolchain.version
    impatient = replace(program, box=replace(program.box, limits=IMPATIENT))
    endings = {what: (impatient if what == "spin" else program).run(f"{what}\n21\nabc\n".encode()) for what in ENDINGS}
    assert {what: ending.status for what, ending in endings.items()} == ENDINGS
    assert endings["hello"].stdout == b"Hello, world!\n"
    assert endings["double"].stdout == b"42\ncba\n"
    assert endings["fail"].exit_code != 0
    assert len(endings["chat"].stdout) == LIMITS.stdout


@pytest.mark.slow
def test_what_does_not_compile_is_no_run_error(language):
    if language not in BROKEN:
        assert not toolchain(language).language.compile
        pytest.skip("run from source")
    program = prepare(language, BROKEN[language], LIMITS)
    assert program.readiness == "compile_error"
    assert program.compilation is not None and (program.compilation.stdout + program.compilation.stderr)
    assert program.run().status == "error"


@pytest.mark.slow
def test_the_landlock_back_end_runs_them_too(language):
    from viscodex.sandbox import backends

    if reason := backends.problem("landlock"):
        pytest.skip(reason)
    if not toolchain(language, "landlock").version:
        pytest.fail(toolchain(language, "landlock").missing)
    program = prepare(language, OBEDIENT[language], LIMITS, backend="landlock")
    assert program.readiness == "ready", program.compilation
    assert program.run(b"double\n4\nabc\n").stdout == b"8\ncba\n"


def test_files_stand_beside_the_program():
    program = prepare("python", "import helper; print(helper.x, open('data.txt').read())", LIMITS,
                      {"helper.py": b"x = 1", "data.txt": b"kept"})  # fmt: skip
    assert program.run().stdout == b"1 kept\n"
    assert program.run(files={"data.txt": b"new"}).stdout == b"1 new\n"


def test_numpy_is_there_for_contest_programs():
    assert prepare("python", "import numpy as np; print(np.arange(3).sum())", LIMITS).run().stdout == b"3\n"


def test_a_missing_language_is_unavailable_and_says_what_brings_it():
    missing = [name for name in OPTIONAL if toolchain(name).missing]
    if not missing:
        pytest.skip("every language is here")
    program = prepare(missing[0], "", LIMITS)
    assert program.readiness == "unavailable"
    execution = program.run()
    assert execution.status == "unavailable" and b"it comes with" in execution.stderr


def test_names_and_aliases():
    assert profiles("C++")[0].name == profiles("cpp")[0].name == "cpp"
    assert profiles("JS")[0].name == "javascript"
    with pytest.raises(UsageError, match="no language"):
        profiles("brainfuck")


def test_packages_are_listed():
    assert {"python3", "golang-go", "default-jdk-headless", "rustc"} <= set(debian_packages())
    assert npm_packages() == ["@types/node", "typescript"]


@pytest.mark.parametrize(
    ("code", "source", "entry"),
    [
        ("public class A { public static void main(String[] a) {} }", "A.java", "A"),
        ("class A {} public class B { public static void main(String[] a) {} }", "B.java", "B"),
        ("class B { public static void main(String[] a) {} } class A {}", "Main.java", "B"),
        (
            "package x.y; public final class C { static int n; public static void main(String... a) {} }",
            "C.java",
            "x.y.C",
        ),
        ("public interface I {} class M { public static void main(String[] a) {} }", "I.java", "M"),
        ("", "Main.java", "Main"),
    ],
)
def test_java_files_have_the_name_of_their_class(code, source, entry):
    assert (java_source(code), java_entry(code)) == (source, entry)

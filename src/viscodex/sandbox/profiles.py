"""The languages' profiles. A language may have several; the first whose probe works here is used."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import PurePath

from viscodex.core.errors import UsageError, did_you_mean
from viscodex.sandbox.languages import Language, VerdictText, java_source
from viscodex.sandbox.limits import GIB

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
SMALL_JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-XX:-UsePerfData")
JAVAC = "javac -encoding UTF-8 -proc:none -J-XX:+UseSerialGC -J-XX:TieredStopAtLevel=1 -d out {source}"
ASSERTING_JVM = ("-enableassertions",)
"""An `assert` in a test must be able to fail; Java passes over it unless it is told not to."""
JAR = "jar --create --file main.jar --main-class {entry} -C out ."
ASSERTING_PHP = ("-d", "zend.assertions=1", "-d", "assert.exception=1")
"""Distributions' php.ini turns assertions off, and a script cannot turn them on again."""
GO_CACHES = "GOCACHE=$TMPDIR/cache GOPATH=$TMPDIR/go"
TSC = (
    "for types in /usr/local/lib/node_modules/@types /usr/lib/node_modules/@types; do "
    "[ -d $types/node ] && set -- --types node --typeRoots $types; done; "
    "exec tsc --target es2022 --lib es2022,dom --module commonjs --noEmitOnError --strict false "
    '--skipLibCheck "$@" {source}'
)


def python(interpreter: str, shown: tuple[str, ...] = ()) -> Language:
    return Language(
        name="python",
        aliases=("py", "python3"),
        source="main.py",
        run=(interpreter, "{source}"),
        probe=(interpreter, "--version"),
        packages=("python3", "python3-numpy"),
        environment=ONE_THREAD | {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"},
        shown=shown,
        out_of_memory=(b"MemoryError",),
        verdict=VerdictText("__import__('os').write(3, b'{nonce}')", "raise AssertionError"),
    )


def _pythons() -> Iterator[Language]:
    """The project's own interpreter first: it has numpy, and its version is the project's."""
    if sys.executable:
        folders = dict.fromkeys((sys.prefix, sys.base_prefix))
        yield python(sys.executable, tuple(folder for folder in folders if not folder.startswith("/usr")))
    yield python("/usr/bin/python3")


def _node(**fields: object) -> Language:
    return Language(
        run=("node", "--max-old-space-size={heap}", "main.js"),
        address_space=None,
        processes=16,
        environment={"OPENSSL_CONF": "/dev/null"},
        out_of_memory=(b"heap out of memory",),
        verdict=VerdictText(";require('fs').writeSync(3, '{nonce}');", ";throw new Error('failed');"),
        **fields,  # type: ignore[arg-type]
    )


OTHERS = (
    _node(
        name="javascript",
        aliases=("js", "node", "nodejs"),
        source="main.js",
        probe=("node", "--version"),
        packages=("nodejs",),
    ),
    _node(
        name="typescript",
        aliases=("ts",),
        source="main.ts",
        compile=("sh", "-c", TSC),
        product="main.js",
        probe=("tsc", "--version"),
        packages=("nodejs", "npm", "npm:typescript", "npm:@types/node"),
    ),
    Language(
        name="java",
        source=java_source,
        compile=("sh", "-c", f"{JAVAC} && {JAR}"),
        product="main.jar",
        run=("java", *SMALL_JVM, *ASSERTING_JVM, "-Xmx{heap}m", "-Xss64m", "-jar", "main.jar"),
        probe=("javac", "-version"),
        packages=("default-jdk-headless",),
        shown=("/etc/java-*-openjdk",),
        address_space=8 * GIB,
        processes=32,
        out_of_memory=(b"java.lang.OutOfMemoryError",),
        verdict=VerdictText(
            'try (var v = new java.io.FileOutputStream("/dev/fd/3")) { v.write("{nonce}".getBytes()); } '
            "catch (java.io.IOException e) { throw new RuntimeException(e); }",
            'if (true) throw new AssertionError("failed");',
            in_main=True,
        ),
    ),
    Language(
        name="c",
        source="main.c",
        compile=("gcc", "-std=gnu17", "-O2", "-o", "main", "{source}", "-lm"),
        product="main",
        run=("./main",),
        probe=("gcc", "--version"),
        packages=("gcc", "libc6-dev"),
    ),
    Language(
        name="cpp",
        aliases=("c++", "cc", "cxx"),
        source="main.cpp",
        compile=("g++", "-std=gnu++20", "-O2", "-o", "main", "{source}"),
        product="main",
        run=("./main",),
        probe=("g++", "--version"),
        packages=("g++",),
        out_of_memory=(b"std::bad_alloc",),
        verdict=VerdictText(
            '{ const char v[] = "{nonce}"; if (::write(3, v, sizeof v - 1) < 0) std::abort(); }',
            "std::abort();",
            header="#include <unistd.h>\n#include <cstdlib>",
            in_main=True,
        ),
    ),
    Language(
        name="go",
        aliases=("golang",),
        source="main.go",
        compile=("sh", "-c", f"{GO_CACHES} exec go build -p=2 -ldflags='-s -w' -o main {{source}}"),
        product="main",
        run=("./main",),
        probe=("go", "version"),
        packages=("golang-go",),
        environment={"GO111MODULE": "off"},
        address_space=None,
        processes=16,
        out_of_memory=(b"out of memory",),
        verdict=VerdictText(
            'if _, failure := verdictOut.Write(3, []byte("{nonce}")); failure != nil { panic(failure) }',
            "verdictOut.Exit(1)",
            header='import verdictOut "syscall"',
            in_main=True,
        ),
    ),
    Language(
        name="rust",
        aliases=("rs",),
        source="main.rs",
        compile=("rustc", "--edition=2021", "-O", "-C", "strip=symbols", "-o", "main", "{source}"),
        product="main",
        run=("./main",),
        probe=("rustc", "--version"),
        packages=("rustc",),
        out_of_memory=(b"memory allocation of",),
    ),
    Language(
        name="csharp",
        aliases=("c#", "cs"),
        source="main.cs",
        compile=("mcs", "-out:main.exe", "{source}"),
        product="main.exe",
        run=("mono", "main.exe"),
        probe=("mono", "--version"),
        packages=("mono-mcs", "mono-runtime"),
        shown=("/etc/mono",),
        processes=8,
        out_of_memory=(b"OutOfMemoryException",),
        verdict=VerdictText(
            'System.IO.File.WriteAllText("/dev/fd/3", "{nonce}");',
            'if (true) throw new System.Exception("failed");',
            in_main=True,
            main="Main",
        ),
    ),
    Language(
        name="ruby",
        aliases=("rb",),
        source="main.rb",
        run=("ruby", "{source}"),
        probe=("ruby", "--version"),
        packages=("ruby",),
        verdict=VerdictText("IO.new(3, 'w').syswrite('{nonce}')", "raise 'failed'"),
        out_of_memory=(b"failed to allocate memory",),
    ),
    Language(
        name="php",
        source="main.php",
        run=("php", *ASSERTING_PHP, "-d", "display_errors=stderr", "-d", "memory_limit={heap}M", "{source}"),
        probe=("php", "--version"),
        packages=("php-cli",),
        shown=("/etc/php",),
        verdict=VerdictText("file_put_contents('php://fd/3', '{nonce}');", "throw new Exception('failed');"),
        out_of_memory=(b"Allowed memory size", b"Out of memory"),
    ),
    Language(
        name="r",
        source="main.R",
        run=("Rscript", "--no-save", "--no-environ", "{source}"),
        probe=("Rscript", "--version"),
        packages=("r-base-core",),
        environment=ONE_THREAD,
        shown=("/etc/R",),
        out_of_memory=(b"cannot allocate",),
        verdict=VerdictText("cat('{nonce}', file='/dev/fd/3')", "stop('failed')"),
    ),
    Language(
        name="bash",
        aliases=("sh", "shell"),
        source="main.sh",
        run=("bash", "{source}"),
        probe=("bash", "--version"),
        packages=("bash",),
        verdict=VerdictText("printf %s '{nonce}' >&3", "exit 1"),
    ),
    Language(
        name="kotlin",
        aliases=("kt",),
        source="main.kt",
        compile=("kotlinc", "{source}", "-include-runtime", "-d", "main.jar"),
        product="main.jar",
        run=("java", *SMALL_JVM, *ASSERTING_JVM, "-Xmx{heap}m", "-jar", "main.jar"),
        probe=("kotlinc", "-version"),
        packages=("default-jdk-headless", "url:https://kotlinlang.org/docs/command-line.html"),
        shown=("/etc/java-*-openjdk", "/opt/kotlinc"),
        environment={"PATH": "/opt/kotlinc/bin:/usr/local/bin:/usr/bin:/bin"},
        address_space=8 * GIB,
        processes=32,
        out_of_memory=(b"java.lang.OutOfMemoryError",),
    ),
    Language(
        name="dart",
        source="main.dart",
        compile=("dart", "compile", "exe", "-o", "main", "{source}"),
        product="main",
        run=("./main",),
        probe=("dart", "--version"),
        packages=("url:https://dart.dev/get-dart",),
        shown=("/opt/dart-sdk",),
        environment={"PATH": "/opt/dart-sdk/bin:/usr/lib/dart/bin:/usr/local/bin:/usr/bin:/bin"},
        address_space=None,
        processes=16,
        out_of_memory=(b"Out of memory",),
    ),
    Language(
        name="swift",
        source="main.swift",
        compile=("swiftc", "-O", "-o", "main", "{source}"),
        product="main",
        run=("./main",),
        probe=("swiftc", "--version"),
        packages=("swiftlang", "url:https://www.swift.org/install/linux"),
        shown=("/opt/swift",),
        environment={"PATH": "/opt/swift/usr/bin:/usr/local/bin:/usr/bin:/bin"},
        processes=16,
    ),
)
OPTIONAL = ("kotlin", "dart", "swift")
"""Not in Debian 12: used where they are present, and not asked for."""


@cache
def profiles(name: str) -> tuple[Language, ...]:
    """A language's profiles by name or alias, in order of preference."""
    everything = (*_pythons(), *OTHERS)
    wanted = name.strip().lower()
    found = tuple(language for language in everything if wanted in (language.name, *language.aliases))
    if not found:
        raise UsageError(f'no language "{name}"', hint=did_you_mean(wanted, names()))
    return found


def language_of(path: PurePath) -> str:
    """The language of a source file, by its extension: that of its profile's source file, or an alias."""
    extension = path.suffix.lower().removeprefix(".")
    for language in (*_pythons(), *OTHERS):
        named = language.source if isinstance(language.source, str) else language.source("")
        if extension in (PurePath(named).suffix.lower().removeprefix("."), language.name, *language.aliases):
            return language.name
    raise UsageError(f"no language is known for {path.name}", hint=f"--language, one of: {', '.join(names())}")


def names() -> list[str]:
    """Every language, by its one name."""
    return list(dict.fromkeys(language.name for language in (*_pythons(), *OTHERS)))


def debian_packages() -> list[str]:
    """What `apt install` must bring for every language that Debian has."""
    required = (profiles(name)[0] for name in names() if name not in OPTIONAL)
    return sorted({package for language in required for package in language.packages if ":" not in package})


def npm_packages() -> list[str]:
    """What `npm install -g` must bring."""
    everything = {package for name in names() for package in profiles(name)[0].packages}
    return sorted(package.removeprefix("npm:") for package in everything if package.startswith("npm:"))

"""Every language compiles, runs, fails to compile and fails to run, each told apart from the others."""

from __future__ import annotations

import pytest

from viscodex.core.errors import UsageError
from viscodex.sandbox.languages import java_entry, java_source
from viscodex.sandbox.limits import MIB, Limits
from viscodex.sandbox.profiles import OPTIONAL, debian_packages, names, npm_packages, profiles
from viscodex.sandbox.programs import prepare, toolchain

# Reads a number n and a line, prints n * 2 and the line reversed; then a program that does not compile, one that fails.
DOUBLE = {
    "python": "n = int(input()); print(n * 2); print(input()[::-1])",
    "javascript": "const [n, s] = require('fs').readFileSync(0, 'utf8').split('\\n');"
    "console.log(n * 2); console.log([...s].reverse().join(''))",
    "typescript": "import * as fs from 'fs'; const [n, s]: string[] = fs.readFileSync(0, 'utf8').split('\\n');"
    "console.log(Number(n) * 2); console.log([...s].reverse().join(''));",
    "java": "import java.util.*; class Helper { static int twice(int n) { return 2 * n; } } public class Solution {"
    "public static void main(String[] a) { Scanner s = new Scanner(System.in); int n = s.nextInt(); s.nextLine();"
    "System.out.println(Helper.twice(n)); System.out.println(new StringBuilder(s.nextLine()).reverse()); } }",
    "c": '#include <stdio.h>\n#include <string.h>\nint main() { int n; char s[99]; scanf("%d %98s", &n, s);'
    'printf("%d\\n", n * 2); for (int i = strlen(s); i-- > 0;) putchar(s[i]); putchar(10); }',
    "cpp": "#include <bits/stdc++.h>\nint main() { int n; std::string s; std::cin >> n >> s;"
    'std::ranges::reverse(s); std::cout << n * 2 << "\\n" << s << "\\n"; }',
    "go": 'package main\nimport "fmt"\nfunc main() { var n int; var s string; fmt.Scan(&n, &s); fmt.Println(n * 2)\n'
    "r := []rune(s); for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 { r[i], r[j] = r[j], r[i] }\n"
    "fmt.Println(string(r)) }",
    "rust": "use std::io::*; fn main() { let mut t = String::new(); stdin().read_to_string(&mut t).unwrap();"
    "let mut w = t.split_whitespace(); let n: i64 = w.next().unwrap().parse().unwrap();"
    'println!("{}", n * 2); println!("{}", w.next().unwrap().chars().rev().collect::<String>()); }',
    "csharp": "using System; class P { static void Main() { var n = int.Parse(Console.ReadLine());"
    "var s = Console.ReadLine().ToCharArray(); Array.Reverse(s); Console.WriteLine(n * 2);"
    "Console.WriteLine(new string(s)); } }",
    "ruby": "n = gets.to_i; puts n * 2; puts gets.chomp.reverse",
    "php": '<?php $n = intval(fgets(STDIN)); echo $n * 2, "\\n", strrev(trim(fgets(STDIN))), "\\n";',
    "r": "t <- readLines(file('stdin')); cat(as.integer(t[1]) * 2, '\\n', sep='');"
    "cat(rev(strsplit(t[2], '')[[1]]), '\\n', sep='')",
    "bash": 'read n; read s; echo $((n * 2)); for ((i=${#s}-1; i>=0; i--)); do printf %s "${s:i:1}"; done; echo',
    "kotlin": "fun main() { println(readLine()!!.toInt() * 2); println(readLine()!!.reversed()) }",
    "dart": "import 'dart:io'; void main() { print(int.parse(stdin.readLineSync()!) * 2);"
    "print(stdin.readLineSync()!.split('').reversed.join()); }",
    "swift": "print(Int(readLine()!)! * 2); print(String(readLine()!.reversed()))",
}
BROKEN = {
    "typescript": "const n: number = 'a string';",
    "java": "public class Main { public static void main(String[] a) { int n = undefined; } }",
    "c": "int main() { return undefined; }",
    "cpp": "int main() { return undefined; }",
    "go": "package main\nfunc main() { undefined() }",
    "rust": "fn main() { undefined(); }",
    "csharp": "class P { static void Main() { undefined(); } }",
}
FAILING = {
    "python": "raise ValueError('x')",
    "javascript": "throw new Error('x')",
    "typescript": "throw new Error('x')",
    "java": "public class Main { public static void main(String[] a) { throw new RuntimeException(); } }",
    "c": "int main() { return *(volatile int *)0; }",
    "cpp": '#include <stdexcept>\nint main() { throw std::runtime_error("x"); }',
    "go": 'package main\nfunc main() { panic("x") }',
    "rust": 'fn main() { panic!("x"); }',
    "csharp": "class P { static void Main() { throw new System.Exception(); } }",
    "ruby": "raise 'x'",
    "php": "<?php throw new Exception('x');",
    "r": "stop('x')",
    "bash": "exit 3",
}
HUNGRY = {
    "python": "x = [bytearray(10 << 20) for _ in range(100)]",
    "javascript": "const kept = []; while (true) kept.push(new Array(1e5).fill(Math.random()))",
    "java": "import java.util.*; public class Main { public static void main(String[] a) {"
    "List<long[]> l = new ArrayList<>(); while (true) l.add(new long[1 << 20]); } }",
    "cpp": "#include <vector>\nint main() { std::vector<std::vector<char>> v;"
    "while (true) v.emplace_back(1 << 24, 1); }",
    "go": "package main\nfunc main() { var k [][]byte; for { b := make([]byte, 1<<24); for i := range b { b[i] = 1 }\n"
    "k = append(k, b) } }",
}
LIMITS = Limits(cpu_s=10, wall_s=90, memory=256 * MIB)


@pytest.fixture(params=names())
def language(request: pytest.FixtureRequest) -> str:
    if missing := toolchain(request.param).missing:
        if request.param in OPTIONAL:
            pytest.skip(missing)
        pytest.fail(missing)
    return request.param


@pytest.mark.slow
def test_it_is_compiled_once_and_run_many_times(language):
    program = prepare(language, DOUBLE[language], LIMITS)
    assert program.readiness == "ready", program.compilation
    assert program.toolchain.version
    for n, word, answer in ((21, "abc", b"42\ncba\n"), (-4, "xyzzy", b"-8\nyzzyx\n")):
        execution = program.run(f"{n}\n{word}\n".encode())
        assert (execution.status, execution.stdout) == ("ok", answer), execution


def test_what_does_not_compile_is_no_run_error(language):
    if language not in BROKEN:
        pytest.skip("run from source, or optional")
    program = prepare(language, BROKEN[language], LIMITS)
    assert program.readiness == "compile_error"
    assert program.compilation is not None and (program.compilation.stdout + program.compilation.stderr)
    assert program.run().status == "error"


def test_what_fails_when_it_runs_has_compiled(language):
    if language not in FAILING:
        pytest.skip("optional")
    program = prepare(language, FAILING[language], LIMITS)
    assert program.readiness == "ready", program.compilation
    execution = program.run()
    assert execution.status == "error" and execution.exit_code != 0


@pytest.mark.parametrize("name", HUNGRY)
def test_running_out_of_memory_is_seen_in_each_runtime(name):
    program = prepare(name, HUNGRY[name], LIMITS)
    assert program.readiness == "ready", program.compilation
    assert program.run().status == "memory"


@pytest.mark.slow
def test_the_landlock_back_end_runs_them_too(language):
    from viscodex.sandbox import backends

    if reason := backends.problem("landlock"):
        pytest.skip(reason)
    if not toolchain(language, "landlock").version:
        pytest.fail(toolchain(language, "landlock").missing)
    program = prepare(language, DOUBLE[language], LIMITS, backend="landlock")
    assert program.readiness == "ready", program.compilation
    assert program.run(b"4\nabc\n").stdout == b"8\ncba\n"


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

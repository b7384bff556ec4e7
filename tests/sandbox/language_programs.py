"""One program in every language that does what its first line of input says, and one that does not compile.

hello: greets. double: reads a number and a word, prints twice the one and the other backwards. fail: ends with an
error. spin, hoard, chat: never end by themselves, and use up time, memory, output.
"""

from __future__ import annotations

OBEDIENT = {
    "python": """
what = input()
if what == "hello": print("Hello, world!")
if what == "double": print(int(input()) * 2); print(input()[::-1])
if what == "fail": raise ValueError("x")
kept = []
while what in ("spin", "hoard", "chat"):
    if what == "hoard": kept.append(bytearray(1 << 20))
    if what == "chat": print("chat")
""",
    "javascript": """
const [what, n, word] = require("fs").readFileSync(0, "utf8").split("\\n");
if (what === "hello") console.log("Hello, world!");
if (what === "double") { console.log(n * 2); console.log([...word].reverse().join("")); }
if (what === "fail") throw new Error("x");
const kept = [];
while (["spin", "hoard", "chat"].includes(what)) {
  if (what === "hoard") kept.push(new Array(1e5).fill(Math.random()));
  if (what === "chat") require("fs").writeSync(1, "chat\\n");
}
""",
    "typescript": """
import * as fs from "fs";
const [what, n, word]: string[] = fs.readFileSync(0, "utf8").split("\\n");
if (what === "hello") console.log("Hello, world!");
if (what === "double") { console.log(Number(n) * 2); console.log([...word].reverse().join("")); }
if (what === "fail") throw new Error("x");
const kept: number[][] = [];
while (["spin", "hoard", "chat"].includes(what)) {
  if (what === "hoard") kept.push(new Array<number>(1e5).fill(Math.random()));
  if (what === "chat") fs.writeSync(1, "chat\\n");
}
""",
    "java": """
import java.util.*;
class Helper { static int twice(int n) { return 2 * n; } }
public class Solution {
  public static void main(String[] arguments) {
    Scanner in = new Scanner(System.in);
    String what = in.next();
    if (what.equals("hello")) System.out.println("Hello, world!");
    if (what.equals("double")) {
      System.out.println(Helper.twice(in.nextInt()));
      System.out.println(new StringBuilder(in.next()).reverse());
    }
    if (what.equals("fail")) throw new RuntimeException("x");
    List<long[]> kept = new ArrayList<>();
    while (List.of("spin", "hoard", "chat").contains(what)) {
      if (what.equals("hoard")) kept.add(new long[1 << 20]);
      if (what.equals("chat")) System.out.println("chat");
    }
  }
}
""",
    "c": """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int main() {
  char what[99], word[99];
  int n;
  scanf("%98s", what);
  if (!strcmp(what, "hello")) puts("Hello, world!");
  if (!strcmp(what, "double")) {
    scanf("%d %98s", &n, word);
    printf("%d\\n", n * 2);
    for (int i = strlen(word); i-- > 0;) putchar(word[i]);
    puts("");
  }
  if (!strcmp(what, "fail")) return *(volatile int *)0;
  for (volatile int spin = strchr("shc", what[0]) && strcmp(what, "hello"); spin;) {
    if (!strcmp(what, "hoard")) {
      volatile char *kept = malloc(1 << 20);
      for (int i = 0; i < 1 << 20; i += 4096) kept[i] = 1;
    }
    if (!strcmp(what, "chat")) puts("chat");
  }
}
""",
    "cpp": """
#include <bits/stdc++.h>
int main() {
  std::string what, word;
  int n;
  std::cin >> what;
  if (what == "hello") std::cout << "Hello, world!\\n";
  if (what == "double") {
    std::cin >> n >> word;
    std::ranges::reverse(word);
    std::cout << n * 2 << "\\n" << word << "\\n";
  }
  if (what == "fail") throw std::runtime_error("x");
  std::vector<std::vector<char>> kept;
  volatile bool spin = what == "spin" || what == "hoard" || what == "chat";
  while (spin) {
    if (what == "hoard") kept.emplace_back(1 << 20, 1);
    if (what == "chat") std::cout << "chat\\n";
  }
}
""",
    "go": """
package main
import "fmt"
func main() {
  var what, word string
  var n int
  fmt.Scan(&what)
  if what == "hello" { fmt.Println("Hello, world!") }
  if what == "double" {
    fmt.Scan(&n, &word)
    r := []rune(word)
    for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 { r[i], r[j] = r[j], r[i] }
    fmt.Println(n * 2)
    fmt.Println(string(r))
  }
  if what == "fail" { panic("x") }
  var kept [][]byte
  for what == "spin" || what == "hoard" || what == "chat" {
    if what == "hoard" {
      block := make([]byte, 1<<24)
      for i := range block { block[i] = 1 }
      kept = append(kept, block)
    }
    if what == "chat" { fmt.Println("chat") }
  }
}
""",
    "rust": """
use std::io::*;
fn main() {
  let mut text = String::new();
  stdin().read_to_string(&mut text).unwrap();
  let mut words = text.split_whitespace();
  let what = words.next().unwrap();
  if what == "hello" { println!("Hello, world!"); }
  if what == "double" {
    let n: i64 = words.next().unwrap().parse().unwrap();
    println!("{}", n * 2);
    println!("{}", words.next().unwrap().chars().rev().collect::<String>());
  }
  if what == "fail" { panic!("x"); }
  let mut kept = Vec::new();
  while ["spin", "hoard", "chat"].contains(&what) {
    if what == "hoard" { kept.push(vec![1u8; 1 << 20]); }
    if what == "chat" { println!("chat"); }
  }
}
""",
    "csharp": """
using System;
using System.Collections.Generic;
class P {
  static void Main() {
    var what = Console.ReadLine();
    if (what == "hello") Console.WriteLine("Hello, world!");
    if (what == "double") {
      Console.WriteLine(int.Parse(Console.ReadLine()) * 2);
      var word = Console.ReadLine().ToCharArray();
      Array.Reverse(word);
      Console.WriteLine(new string(word));
    }
    if (what == "fail") throw new Exception("x");
    var kept = new List<byte[]>();
    while (what == "spin" || what == "hoard" || what == "chat") {
      if (what == "hoard") {
        var block = new byte[1 << 20];
        for (int i = 0; i < block.Length; i += 512) block[i] = 1;
        kept.Add(block);
      }
      if (what == "chat") Console.WriteLine("chat");
    }
  }
}
""",
    "ruby": """
what = gets.chomp
puts "Hello, world!" if what == "hello"
(puts gets.to_i * 2; puts gets.chomp.reverse) if what == "double"
raise "x" if what == "fail"
kept = []
while ["spin", "hoard", "chat"].include?(what)
  kept << "x" * (1 << 20) if what == "hoard"
  puts "chat" if what == "chat"
end
""",
    "php": """<?php
$what = trim(fgets(STDIN));
if ($what == "hello") echo "Hello, world!\\n";
if ($what == "double") { echo intval(fgets(STDIN)) * 2, "\\n"; echo strrev(trim(fgets(STDIN))), "\\n"; }
if ($what == "fail") throw new Exception("x");
$kept = [];
while (in_array($what, ["spin", "hoard", "chat"])) {
  if ($what == "hoard") $kept[] = str_repeat("x", 1 << 20);
  if ($what == "chat") echo "chat\\n";
}
""",
    "r": """
lines <- readLines(file("stdin"))
what <- lines[1]
if (what == "hello") cat("Hello, world!\\n")
if (what == "double") {
  cat(as.integer(lines[2]) * 2, "\\n", sep = "")
  cat(rev(strsplit(lines[3], "")[[1]]), "\\n", sep = "")
}
if (what == "fail") stop("x")
kept <- list()
while (what %in% c("spin", "hoard", "chat")) {
  if (what == "hoard") kept[[length(kept) + 1]] <- rep(1, 1e6)
  if (what == "chat") cat("chat\\n")
}
""",
    "bash": """
read what
if [ $what = hello ]; then echo "Hello, world!"; fi
if [ $what = double ]; then
  read n; read word; echo $((n * 2))
  for ((i = ${#word} - 1; i >= 0; i--)); do printf %s "${word:i:1}"; done; echo
fi
if [ $what = fail ]; then exit 3; fi
kept=x
while [[ $what =~ ^(spin|hoard|chat)$ ]]; do
  if [ $what = hoard ]; then kept=$kept$kept; fi
  if [ $what = chat ]; then echo chat; fi
done
""",
    "kotlin": """
fun main() {
  val what = readLine()!!
  if (what == "hello") println("Hello, world!")
  if (what == "double") { println(readLine()!!.toInt() * 2); println(readLine()!!.reversed()) }
  if (what == "fail") throw RuntimeException("x")
  val kept = mutableListOf<LongArray>()
  while (what in listOf("spin", "hoard", "chat")) {
    if (what == "hoard") kept.add(LongArray(1 shl 20))
    if (what == "chat") println("chat")
  }
}
""",
    "dart": """
import 'dart:io';
import 'dart:typed_data';
void main() {
  final what = stdin.readLineSync()!;
  if (what == 'hello') print('Hello, world!');
  if (what == 'double') {
    print(int.parse(stdin.readLineSync()!) * 2);
    print(stdin.readLineSync()!.split('').reversed.join());
  }
  if (what == 'fail') throw Exception('x');
  final kept = [];
  while (['spin', 'hoard', 'chat'].contains(what)) {
    if (what == 'hoard') kept.add(Uint8List(1 << 20)..fillRange(0, 1 << 20, 1));
    if (what == 'chat') print('chat');
  }
}
""",
    "swift": """
let what = readLine()!
if what == "hello" { print("Hello, world!") }
if what == "double" { print(Int(readLine()!)! * 2); print(String(readLine()!.reversed())) }
if what == "fail" { fatalError("x") }
var kept: [[UInt8]] = []
while ["spin", "hoard", "chat"].contains(what) {
  if what == "hoard" { kept.append([UInt8](repeating: 1, count: 1 << 20)) }
  if what == "chat" { print("chat") }
}
""",
}
BROKEN = {
    "typescript": "const n: number = 'a string';",
    "java": "public class Main { public static void main(String[] a) { int n = undefined; } }",
    "c": "int main() { return undefined; }",
    "cpp": "int main() { return undefined; }",
    "go": "package main\nfunc main() { undefined() }",
    "rust": "fn main() { undefined(); }",
    "csharp": "class P { static void Main() { undefined(); } }",
    "kotlin": "fun main() { undefined() }",
    "dart": "void main() { undefined(); }",
    "swift": "undefined()",
}
"""For the languages that are compiled; in the others a mistake is found when the program runs."""

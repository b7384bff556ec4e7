"""Measure models on four benchmarks: generate, score, report, three stages joined by files."""

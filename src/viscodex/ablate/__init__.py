"""Ablations: the same fine-tuning and the same tests from different starting points, and one table of what came out.

A room above the jobs, which meet in its folder: merges, trainings and evaluations are the product's own.
"""

"""What a merge candidate is judged by: its loss on calibration samples, or a benchmark's score, of a model in memory.

A room above the jobs: `merge` asks a `Scorer`, and knows neither `train`, whose loss it is, nor `eval`.
"""

"""What benchmarks/data.py measures: one data set built by viscodex, by a script written for it, and by Ray Data."""

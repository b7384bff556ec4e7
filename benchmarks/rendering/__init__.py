"""What benchmarks/pages.py draws."""

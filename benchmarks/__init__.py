"""Benchmarks of clearhead: one runner, a case is one function, results are JSON, docs/results.md is made from them.

.venv/bin/python -m benchmarks list
.venv/bin/python -m benchmarks run NAME... [options]     # a case's own: run NAME --help
.venv/bin/python -m benchmarks report
"""

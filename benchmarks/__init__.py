"""Measures what the collector costs. Each figure has a limit from the same run: `python -m benchmarks --help`.

There is one module for each question. Its `measure(plan)` gives an Answer (or only its Figures). `__main__` runs them
one after the other and keeps the results (`records`, `results`). From these, `readme` makes the table, and `findings`
and `drawing` make the plots, at any time. Server and collector run in separate processes (`processes`,
`collector`). `pictures` makes the README's pictures.
"""

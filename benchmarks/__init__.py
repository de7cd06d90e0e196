"""What the collector costs, each figure beside a limit that is taken in the same run: `python -m benchmarks --help`.

One module for each question, each with `measure(plan)`, which gives an Answer (or only its Figures); `__main__` asks
them one after the other and keeps what they say (`results`), of which `readme` and `drawing` make table and plots, at
any time again. Server and collector are processes of their own (`processes`, `collector`).
"""

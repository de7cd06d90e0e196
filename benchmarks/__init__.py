"""What the collector costs, each figure beside a limit that is taken in the same run: `python -m benchmarks --help`.

One module for each question, each with `measure(plan)`, which gives Figures; `__main__` asks them one after the
other and prints one Markdown table. Server and collector are processes of their own (`processes`, `collector`).
"""

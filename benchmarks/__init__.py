"""What the collector costs, each figure beside a limit that is taken in the same run: `python -m benchmarks --help`.

One module for each question, each with `measure(plan)`, which gives an Answer (or only its Figures); `__main__` asks
them one after the other and keeps what they say (`records`, `results`). At any time again, `readme` makes the table of
that, and `findings` and `drawing` make the plots. Server and collector are processes of their own (`processes`,
`collector`). `pictures` makes the README's pictures.
"""

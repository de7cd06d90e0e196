"""How people read durations and sizes."""


def duration_text(seconds: float) -> str:
    """`4.2 s`, `3 min 5 s`, `2 h 7 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def milliseconds_text(seconds: float) -> str:
    """`4.2 ms`, `120 ms`."""
    return f"{seconds * 1000:,.1f} ms" if seconds < 0.01 else f"{seconds * 1000:,.0f} ms"


def rate_text(rate: float) -> str:
    """`120`, `5`, `4.5`, `0.25`: what people need of a rate a second."""
    if rate >= 10:
        return f"{rate:,.0f}"
    return f"{rate:.1f}".removesuffix(".0") if rate >= 1 else f"{rate:.2g}"


def size_text(size: float) -> str:
    """`812 B`, `4.1 kB`, `118.8 MB`."""
    if size < 1000:
        return f"{size} B"
    return f"{size / 1e3:,.1f} kB" if size < 1e6 else f"{size / 1e6:,.1f} MB"

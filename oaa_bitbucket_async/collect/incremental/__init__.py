"""Decides what an incremental run asks again, by the audit log's rows and the age of answers.

Nothing here does I/O or reads a clock: rows, times and settings are arguments. DESIGN.md section 7.

Times of rows are milliseconds since 1970 by the server's clock. Our own times, such as when a unit was read, are
seconds since 1970 by our clock.
"""

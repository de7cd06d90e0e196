"""The command line: turns flags and environment variables into Settings. Nothing here sends requests."""

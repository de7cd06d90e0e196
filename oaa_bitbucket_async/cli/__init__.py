"""The command line: flags and their environment twins become Settings; nothing here knows the wire."""

"""What a run shows and leaves behind: progress, logs, metrics, report, lock, files."""

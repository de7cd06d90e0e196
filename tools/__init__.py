"""Commands that maintain the repository."""

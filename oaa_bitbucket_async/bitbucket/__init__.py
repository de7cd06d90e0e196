"""Talks to Bitbucket: HTTP, what answers mean, and how fast to ask."""

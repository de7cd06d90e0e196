"""Bitbucket's side: HTTP, the meaning of answers, and how fast to ask."""

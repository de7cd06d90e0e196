"""Bitbucket's side: the wire, what its answers mean, and how fast it may be asked."""

"""Reads Bitbucket's audit log over REST: can we read it, does it work, and what do its rows name?

Only the time, the action's key and the numeric ids of a row are kept. Names, addresses and texts are dropped while an
answer is decoded. The facts are in AUDIT.md section 1.
"""

"""Bitbucket's audit log over REST: may it be read, is it alive, and which things do its rows name?

Of a row only its time, the key of its action and numeric ids are kept: names, addresses and texts are dropped while
an answer is decoded. The facts are in AUDIT.md section 1.
"""

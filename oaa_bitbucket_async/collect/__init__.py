"""The crawl: which questions to ask, how each of them ended, and what was learned."""

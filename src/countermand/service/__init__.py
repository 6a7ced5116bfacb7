"""The write road: load what a batch of calls is about, decide each, save what follows, in one transaction."""

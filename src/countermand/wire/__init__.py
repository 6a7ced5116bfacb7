"""The doors: each translates a wire API into commands and outcomes into replies, and decides nothing."""

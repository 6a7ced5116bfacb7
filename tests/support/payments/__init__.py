"""A payment provider of our own, for tests: it speaks Stripe's and Mollie's refund APIs over real HTTP.

Its ledger is the truth that tests compare with. A script says which calls go wrong, and how. It shares no code with the
adapters: what an amount or a signature looks like is written here a second time.
"""

"""Where a party can be notified: each kind of address, and what holds for all of its kind."""

"""Where a party wants to be told of events: webhooks and mailboxes, with their secrets."""

"""Payment providers: who moves the customer's money back. Each adapter says what became of a call, and never raises."""

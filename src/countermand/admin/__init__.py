"""What operators may do: each action a function with a typed outcome, written to the audit trail."""

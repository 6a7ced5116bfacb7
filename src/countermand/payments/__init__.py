"""Payment providers: who moves the customer's money back."""

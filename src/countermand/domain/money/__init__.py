"""Amounts, prices, payments and refunds."""

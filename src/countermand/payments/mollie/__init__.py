"""Mollie."""

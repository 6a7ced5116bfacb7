"""The rules of cancelling: plain functions over plain values, no clock, no I/O."""

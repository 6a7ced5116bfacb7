"""What leaves the house: how an event is written down, signed and sent, over HTTP or by e-mail."""

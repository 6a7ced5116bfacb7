"""The ways out: events leave by webhook or by e-mail."""

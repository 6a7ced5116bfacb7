"""The stories of the demo, told over real HTTP: each step is said in a line and checked."""

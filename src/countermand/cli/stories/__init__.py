"""The stories of the demo, over real HTTP. Each step prints a line and is checked."""

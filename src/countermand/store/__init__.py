"""What is kept: tables, every statement by name, and the two engines that run them."""

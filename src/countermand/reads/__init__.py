"""One function per question, straight to SQL. Nothing here decides; a party sees what is its own and nothing else."""

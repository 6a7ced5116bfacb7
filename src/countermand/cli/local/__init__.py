"""What commands do on a database that they open. One file for each noun, beside its twin in ``remote``."""

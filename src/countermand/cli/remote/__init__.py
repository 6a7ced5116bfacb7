"""What commands do by calling a service. One file for each noun, beside its twin in ``local``."""

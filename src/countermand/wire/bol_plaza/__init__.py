"""The bol Plaza API, v2 and v2.1: signed XML for retailers who hold their own goods."""

"""Networks: encoders, gate, masker, heads and the modules made of them."""

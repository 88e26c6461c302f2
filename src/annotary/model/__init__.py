"""Values: what exists, without any input or output."""

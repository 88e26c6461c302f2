"""The engine: carries operations out, on a store, as somebody."""

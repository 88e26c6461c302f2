"""The server: operations over HTTP, and the surface that the vendor's SDK speaks."""

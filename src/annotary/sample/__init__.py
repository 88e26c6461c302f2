"""The sample project: street scenes that annotary draws itself, with the exact truth about them."""

"""`python -m annotary` is the program `annotary`."""

from annotary.cli import main

if __name__ == "__main__":
    main()

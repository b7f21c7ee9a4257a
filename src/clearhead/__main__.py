"""`python -m clearhead` is the command `clearhead`: for a machine whose path does not have it."""

from clearhead.cli import main

if __name__ == "__main__":
    main()

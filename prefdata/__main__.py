"""`python -m prefdata` is the command `pref`."""

from prefdata.cli import main

if __name__ == "__main__":
    main()

"""Launcher for a checkout: `python cli.py convert …` is `pref convert …`."""

from prefdata.cli import main

if __name__ == "__main__":
    main()

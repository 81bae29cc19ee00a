"""Launcher for a checkout: `python cli.py convert …` is `pref convert …`."""

from prefdata.__main__ import main

if __name__ == "__main__":
    main()

"""`pref judge`: models compare answers, and consistent verdicts become pairs."""

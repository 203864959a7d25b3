"""Every call of AWS that each operation makes, failed in every way that it can fail.

`scenarios` says what is tried, `faults` how calls fail, `line` lets them, `world` is what there is
in the tables and what must be true of it, and `matrix` tries one after the other and judges them.
"""

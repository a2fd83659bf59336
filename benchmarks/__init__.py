"""How fast the client and the included server are: ``python -m benchmarks``, or ``make bench``.

Machines are noisy, so nothing here is judged by a rate. Each row compares two ways of doing the
same thing, called by turns for a few milliseconds each, and shows the median of their ratios.
"""

"""``python -m testproject.demo``: the example site, walked through from the outside."""

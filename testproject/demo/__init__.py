"""``python -m testproject.demo``: the example sites, walked through from the outside."""

"""Who picks the next values: ask/tell tuners, one module a family."""

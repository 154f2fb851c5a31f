"""Who hears of what, in which words. Pure: values in, texts out; no port, clock or disk."""

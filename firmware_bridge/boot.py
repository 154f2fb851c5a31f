"""Nothing happens here: an exception in boot.py can leave a board without its USB port."""

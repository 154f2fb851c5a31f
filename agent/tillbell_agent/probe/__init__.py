"""What speaks on a serial line, and how: octets heard under some settings in, the settings to try next and a verdict out."""

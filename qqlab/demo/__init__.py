"""The demonstration: the whole loop on real parts, in under a minute, leaving nothing behind but its results."""

"""Shops in simulated time: terminals, the real agent, modems, a network, phones and headquarters, decided by one seed.

Only ports, clock and fsync are simulated. ``surroundings`` is what an agent touches, ``disk`` the store's connection,
``shop`` one shop, ``world`` all of them on one clock, ``incidents`` what goes wrong, ``audit`` what must hold whatever
does, ``run`` a seed from its first sale to its verdict.
"""

"""What a network does at one pixel, inside, and why it picks a class; pictures of it.

``explain`` asks at a pixel: the linear filter that the network applies there, how far it sees, how linear it is.
``activations`` and ``first_filters`` look inside, ``attribute`` at a class (it alone needs torch and captum).
"""

from aplomb.explanation.channels import Sheet, activations, first_filters
from aplomb.explanation.pixel import Change, Explanation, explain

__all__ = ["Change", "Explanation", "Sheet", "activations", "explain", "first_filters"]

"""The paper's studies of controllers: what of them is varied, trained anew, and what that is worth.

The other studies ask what noise does to a controller that is there.
"""

"""What a user of the Marathon API sees while something of the cluster is missing, slow, full or forbidden.

On a real control plane, with kwok's nodes. Each test asks the same: nothing acknowledged is lost, no answer is wrong while it
lasts, no event tells what did not happen, and all is well again within a bound.
"""

"""A simulated network behind the port: subscriber and eSIM profiles, lines, circuits, with faults on demand.

Its state is a table of the tenant, so that it outlives a process and a demo can be looked at.
"""

from farwire.activation.simulator.simulator import BUILT_IN, KINDS, plant_fault, simulated, tamper

__all__ = ["BUILT_IN", "KINDS", "plant_fault", "simulated", "tamper"]

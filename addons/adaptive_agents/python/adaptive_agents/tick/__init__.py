"""What happens at a tick: crowds of agents observe, decide, learn and are recorded.

It knows agents and recorders by what it needs of them (participants.py), never by their class.
"""

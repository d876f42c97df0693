"""What keeps the key above all other keys of a vault.

port.py is what all of them do, choose.py opens one by its address, offers.py says which ones this machine has.
"""

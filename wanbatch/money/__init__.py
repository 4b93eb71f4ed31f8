"""What attempts cost: amounts, caps, and the ledger of all runs of this user."""

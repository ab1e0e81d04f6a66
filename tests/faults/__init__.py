"""The delivery contract under faults: a load, a ledger of what was promised, and a checker that compares."""

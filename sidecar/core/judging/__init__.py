"""From a proposal to a decision. No I/O."""

"""Which waiting work runs next, and who gets memory: decisions as functions of facts. No torch, no clock."""

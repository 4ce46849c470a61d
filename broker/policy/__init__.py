"""Who may see what: a question, a decision, and the engine that answers (Cedar)."""

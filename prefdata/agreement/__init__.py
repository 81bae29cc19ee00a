"""How far annotators agree, people and models, and how far verdicts can be trusted."""

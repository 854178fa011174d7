"""How an endpoint grows and shrinks with its work: the rule, real workers under it, and a model far past them."""

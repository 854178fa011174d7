"""Many jobs over several real workers while everything around them fails: nothing is lost, and nothing done twice."""

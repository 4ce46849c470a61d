"""What each route is, in words that programs read: its parameters, bodies, answers and refusals."""

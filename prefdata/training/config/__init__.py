"""What to train and how: a recipe, its methods and losses, and the checked plan."""

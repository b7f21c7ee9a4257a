"""Other people's forms, there and back."""

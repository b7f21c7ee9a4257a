"""Models: wiring of bricks, one family a file; token ids in, logits out. Import the family's file."""

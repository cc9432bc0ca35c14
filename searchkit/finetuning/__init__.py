"""Fine-tuning: pairs bend the questions of a collection, or its encoder, and held-out pairs prove that it
helps."""

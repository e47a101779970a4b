"""`tunewright publish`: the dataset and the model to the Hugging Face Hub, with cards, after a search for secrets.

No stage of the pipeline: the cards are made here, from what the stages left, at the moment of publishing. They name
the repositories that exist then, and a card in data/ would be stale with every edit of the text around the numbers.
"""
